"""Read from a job log the runs that were cut short, even before the job wrote its own first line."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from tests.faults.books import Run, Strike

_EVENT = re.compile(r"(\d{3}) \((\d+)\.(\d+)\.\d+\) (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)")
_MACHINE = re.compile(r'^\s*EC2InstanceID = "(.*)"', re.MULTILINE)
"""In the log by ``ulog_execute_attrs``."""

_EXECUTES, _EVICTED, _TERMINATED, _SHADOW_DIED, _ABORTED, _HELD = "001", "004", "005", "007", "009", "012"
_DISCONNECTED, _RECONNECTED, _NOT_RECONNECTED, _TRANSFER = "022", "023", "024", "040"
_CUTS = {_EVICTED, _SHADOW_DIED, _ABORTED, _HELD, _NOT_RECONNECTED}


def cut_short(userlog: str, strikes: Collection[Strike]) -> list[Run]:
    """Return the runs that were cut short; ``struck`` if the fault struck their machine before."""
    jobs: dict[str, _Job] = {}
    runs: list[Run] = []
    for event in userlog.split("\n...\n"):
        head = _EVENT.match(event)
        if head is not None:
            name = f"{int(head[2])}.{int(head[3])}"
            machine = _MACHINE.search(event)
            at = datetime.fromisoformat(head[4]).timestamp()
            cut = jobs.setdefault(name, _Job(name, strikes)).event(head[1], at, machine[1] if machine else "")
            runs += cut
    return runs


@dataclass
class _Job:
    """The state of one job while its log is read. The log has times in whole seconds."""

    name: str
    strikes: Collection[Strike]
    machine: str | None = None
    """The machine that it runs on; None: it does not run."""
    began: float = 0
    silent: float | None = None
    """Time since which it is disconnected."""
    known: bool = False
    """True if the end of its last run was reported; the log has two events for a failed reconnection."""

    def event(self, code: str, at: float, machine: str) -> Iterator[Run]:
        """Yield the run that this event cuts short, if any."""
        if code == _EXECUTES and machine != self.machine:  # else an event after a reconnection
            if self.machine is not None:
                yield self._cut(at)
            self.machine, self.began, self.silent, self.known = machine, at, None, False
        elif code in _CUTS and self.machine is not None:
            yield self._cut(at)
            self.machine, self.known = None, code != _EVICTED
        elif code in {_EVICTED, _NOT_RECONNECTED}:
            if not self.known:  # it was starting on a machine that the log does not name
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
