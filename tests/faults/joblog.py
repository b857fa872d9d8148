"""What a job log says of runs that were cut short; also of those that never came to the job's own first line."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from tests.faults.books import Run, Strike

_EVENT = re.compile(r"(\d{3}) \((\d+)\.(\d+)\.\d+\) (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)")
_MACHINE = re.compile(r'^\s*EC2InstanceID = "(.*)"', re.MULTILINE)
"""There by ``ulog_execute_attrs``."""

_EXECUTES, _EVICTED, _TERMINATED, _SHADOW_DIED, _ABORTED, _HELD = "001", "004", "005", "007", "009", "012"
_DISCONNECTED, _RECONNECTED, _NOT_RECONNECTED, _TRANSFER = "022", "023", "024", "040"
_CUTS = {_EVICTED, _SHADOW_DIED, _ABORTED, _HELD, _NOT_RECONNECTED}


def cut_short(userlog: str, strikes: Collection[Strike]) -> list[Run]:
    """Runs that did not come to their end, with whether the fault struck their machine before they were cut."""
    jobs: dict[str, _Job] = {}
    found: list[Run] = []
    for event in userlog.split("\n...\n"):
        head = _EVENT.match(event)
        if head is not None:
            name = f"{int(head[2])}.{int(head[3])}"
            machine = _MACHINE.search(event)
            at = datetime.fromisoformat(head[4]).timestamp()
            told = jobs.setdefault(name, _Job(name, strikes)).event(head[1], at, machine[1] if machine else "")
            found += told
    return found


@dataclass
class _Job:
    """One job, as far as its log was read. Times are the log's, which has whole seconds."""

    name: str
    strikes: Collection[Strike]
    machine: str | None = None
    """Where it runs; None: nowhere."""
    began: float = 0
    silent: float | None = None
    """Disconnected since."""
    known: bool = False
    """That its last run was cut short was told: of a failed reconnection the log tells twice."""

    def event(self, code: str, at: float, machine: str) -> Iterator[Run]:
        """The run that this event says was cut short, if any."""
        if code == _EXECUTES and machine != self.machine:  # else told anew after a reconnection
            if self.machine is not None:
                yield self._cut(at)
            self.machine, self.began, self.silent, self.known = machine, at, None, False
        elif code in _CUTS and self.machine is not None:
            yield self._cut(at)
            self.machine, self.known = None, code != _EVICTED
        elif code in {_EVICTED, _NOT_RECONNECTED}:
            if not self.known:  # it was on its way to a machine of which the log says nothing
                yield Run(self.name, "", ended=False, struck=any(strike.at < at + 1 for strike in self.strikes))
            self.known = code != _EVICTED
        elif code == _TERMINATED:
            self.machine = None
        elif code == _DISCONNECTED:
            self.silent = at
        elif code == _RECONNECTED:
            self.silent = None
        elif code == _TRANSFER:
            self.known = False

    def _cut(self, at: float) -> Run:
        cut = at if self.silent is None else self.silent
        mine = [each for each in self.strikes if each.machine == self.machine and each.at < cut + 1]
        struck = any(each.for_good or each.at >= self.began for each in mine)
        return Run(self.name, self.machine or "", ended=False, struck=struck)
