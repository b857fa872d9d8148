"""Whether a job of another schedd than the factory's own runs on a machine that shall be ended (rule 5)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Protocol, TypeGuard

from factory.config.queues import Config
from factory.model.actions import Action, Release, Remove
from factory.model.address import ScheddAddress
from factory.observe.schedds import polled_schedds
from factory.process.workers import CallFailed


def ends_a_machine(action: Action) -> TypeGuard[Remove | Release]:
    """Whether a machine may end by this."""
    return isinstance(action, Remove) or (isinstance(action, Release) and action.ends)


class QuerySchedd(Protocol):
    """Asks one schedd for the startds on which its jobs run, and those jobs."""

    def __call__(self, schedd: ScheddAddress, startds: Collection[str], /) -> Mapping[str, str]:
        """By startd.

        Raises:
            CallFailed: it did not answer.
        """


@dataclass(frozen=True)
class OtherSchedds:
    """What the other schedds said of the machines of one round."""

    jobs: Mapping[str, str] = field(default_factory=dict)
    """By startd: a job that runs there, and where it is queued."""
    unknown: str | None = None
    """Which schedd did not answer, and why: then no machine is known to be empty."""
    unknown_of: Mapping[str, str] = field(default_factory=dict)
    """Queues whose schedds are not known, and why."""

    def objection(self, action: Remove | Release) -> str | None:
        """Why this may not be done now; None: nothing speaks against it."""
        if action.vm is None:
            return None
        name = action.vm.uuid
        if name in self.jobs:
            return f"not done: {self.jobs[name]} still runs on {name}"
        unknown = self.unknown or self.unknown_of.get(action.queue)
        return None if unknown is None else f"not done, tried again: a job may run on {name}, for {unknown}"


def query_other_schedds(
    endings: Iterable[Remove | Release],
    own: ScheddAddress,
    config: Config,
    silent: Collection[str],
    ask: QuerySchedd,
    threads: Executor,
) -> OtherSchedds:
    """Ask every schedd that is polled but our own, which is asked when a job is removed or released.

    ``silent``: addresses that did not answer when they were polled, and so are not waited for again.
    """
    startds = {action.vm.uuid for action in endings if action.vm is not None}
    if not startds:
        return OtherSchedds()
    schedds, faults = polled_schedds(config)
    others = [schedd for schedd in schedds if schedd != own]
    for schedd in others:
        if str(schedd) in silent:
            return OtherSchedds(unknown=f"{schedd} did not answer when it was polled")
    jobs: dict[str, str] = {}
    calls = [(schedd, threads.submit(ask, schedd, startds)) for schedd in others]
    for schedd, call in calls:
        try:
            jobs |= {startd: f"job {job} of {schedd}" for startd, job in call.result().items()}
        except CallFailed as error:
            return OtherSchedds(unknown=f"{schedd}: {error}")
    return OtherSchedds(jobs, None, faults)
