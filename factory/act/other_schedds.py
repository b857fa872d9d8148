"""Check that no job of another schedd than the factory's own runs on a VM before it is ended (rule 5)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeGuard

from factory.config.queues import Config
from factory.model.actions import Action, Release, Remove
from factory.model.address import ScheddAddress
from factory.model.job import RunningJob
from factory.observe.schedds import polled_schedds
from factory.process.workers import CallFailed


def may_end_vm(action: Action) -> TypeGuard[Remove | Release]:
    """True if the action may end an instance."""
    return isinstance(action, Remove) or (isinstance(action, Release) and action.ends)


class QuerySchedd(Protocol):
    """Function that asks one schedd for its jobs on these startds."""

    def __call__(self, schedd: ScheddAddress, startds: Collection[str], /) -> Mapping[str, RunningJob]:
        """Return a job for each startd on which one runs.

        Raises:
            CallFailed: it did not answer.
        """


@dataclass(frozen=True)
class OtherSchedds:
    """Answers of the other schedds about the VMs of one round."""

    jobs: Mapping[str, RunningJob] = field(default_factory=dict)
    """A job that runs there, as its ad says, by startd."""
    unknown: str | None = None
    """Name of a schedd that did not answer, and the reason; then no VM is known to be empty."""
    unknown_of: Mapping[str, str] = field(default_factory=dict)
    """Reason why the schedds of a queue are unknown, by queue."""

    def job_on(self, action: Remove | Release) -> RunningJob | None:
        """Return a job that keeps the VM of this action; None: there is none."""
        if action.vm is None or (isinstance(action, Remove) and action.despite_jobs):
            return None
        return self.jobs.get(action.vm.uuid)

    def objection(self, action: Remove | Release) -> str | None:
        """Return the reason why the action must not be done now; None: there is none."""
        if action.vm is None:
            return None
        name, job = action.vm.uuid, self.job_on(action)
        if job is not None:
            return f"not done: {job} still runs on {name}"
        unknown = self.unknown or self.unknown_of.get(action.queue)
        return None if unknown is None else f"not done, will be retried: a job may run on {name} ({unknown})"


def query_other_schedds(
    endings: Iterable[Remove | Release],
    own: ScheddAddress,
    config: Config,
    silent: Collection[str],
    ask: QuerySchedd,
    threads: Executor,
) -> OtherSchedds:
    """Ask every polled schedd except our own, which is asked when a job is removed or released.

    Args:
        silent: Addresses that did not answer the polls of this round, and so are not asked again.
    """
    startds = {action.vm.uuid for action in endings if action.vm is not None}
    if not startds:
        return OtherSchedds()
    schedds, faults = polled_schedds(config)
    others = [schedd for schedd in schedds if schedd != own]
    for schedd in others:
        if str(schedd) in silent:
            return OtherSchedds(unknown=f"{schedd} did not answer the polls of this round")
    jobs: dict[str, RunningJob] = {}
    calls = [(schedd, threads.submit(ask, schedd, startds)) for schedd in others]
    for schedd, call in calls:
        try:
            jobs |= {startd: replace(job, schedd=str(schedd)) for startd, job in call.result().items()}
        except CallFailed as error:
            return OtherSchedds(unknown=f"{schedd}: {error}")
    return OtherSchedds(jobs, None, faults)
