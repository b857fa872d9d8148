"""Actions of a round. Every action carries a reason that a person can read (rule 13)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from factory.model.job import RunningJob
from factory.model.memory import Health
from factory.model.shape import Shape
from factory.model.vm import VM, JobId

Method = Literal["off", "drain"]


@dataclass(frozen=True, kw_only=True)
class Submit:
    """Submit new VM jobs, or plain jobs, in one transaction."""

    queue: str
    n: int
    shapes: tuple[Shape, ...] = ()
    """One shape for each VM; empty for plain jobs."""
    unowned: int = 0
    """Instances of the queue that may be alive and have no VM job; they count against its hard cap."""
    reason: str


@dataclass(frozen=True, kw_only=True)
class Unretire:
    """Take a retirement back: cancel the drain, or start the startd again if it has stopped."""

    queue: str
    vm: VM
    attempt: int = 1
    """Number of this command in a row, 1 for the first. VMs with the fewest attempts come first."""
    reason: str


@dataclass(frozen=True, kw_only=True)
class ClearRetire:
    """Clear ``APFRetireTime`` after the ads confirm that the VM is in service again."""

    queue: str
    vm: VM
    reason: str


@dataclass(frozen=True, kw_only=True)
class Retire:
    """Write ``APFRetireTime`` on the VM job, then ask the startd to finish its jobs and stop."""

    queue: str
    vm: VM
    method: Method
    repeat: bool = False
    """True: the job already has its APFRetireTime; only the command is sent again."""
    attempt: int = 1
    """Number of this command in a row, 1 for the first. VMs with the fewest attempts come first."""
    reason: str


@dataclass(frozen=True, kw_only=True)
class Remove:
    """Remove a job, which terminates its instance, if its state is still the one that was decided on."""

    queue: str
    job: JobId
    still: str = "true"
    """ClassAd expression over the job ad, which the schedd checks: the state that justified the removal."""
    vm: VM | None = None
    """The VM, if it has an instance: no polled schedd may show a job running there (rule 5)."""
    jobs_keep_until: float | None = None
    """Epoch from which a job that names the VM does not keep it any more: it is proven empty. None: a job keeps it."""
    despite_jobs: bool = False
    """True: that time has come."""
    absent: bool = False
    """True: the collector must have no ad of the VM. It is asked again before the removal."""
    master: bool = False
    """True: an ad of its master is allowed."""
    reason: str


@dataclass(frozen=True, kw_only=True)
class Release:
    """Release a held job, so that HTCondor tries its termination or launch again."""

    queue: str
    vm: VM
    still: str = "true"
    ends: bool = False
    """True: the release ends its instance. No job may run there, and its startd must not be in the pool (rule 5)."""
    reason: str


Action = Submit | Unretire | ClearRetire | Retire | Remove | Release


@dataclass(frozen=True)
class Outcome:
    """Result of an action."""

    action: Action
    error: str | None = None
    jobs: tuple[JobId, ...] = field(default=())
    """Jobs that were submitted or changed."""
    tried: bool = True
    """False: no time was left for the command."""
    kept_by: RunningJob | None = None
    """The job that runs on the VM, as its ad says, so that it was not ended."""


def commands_sent(actions: Iterable[Action]) -> dict[str, str]:
    """Return the kind of command sent to each VM, by APFVM. A VM without a startd gets its command after it joins."""
    return {
        action.vm.uuid: type(action).__name__.lower()
        for action in actions
        if isinstance(action, Release) or (isinstance(action, Retire | Unretire) and action.vm.startd is not None)
    }


@dataclass(frozen=True)
class Plan:
    """Actions of one queue, and notes on what was asked for but will not be done."""

    actions: tuple[Action, ...] = ()
    notes: tuple[str, ...] = ()
    health: Health | None = None
    """The new ``memory.health`` of this queue. None: it stays as it is."""


def retire_time(vm: VM, now: float) -> int:
    """Return the APFRetireTime to write: later than APFUnretireTime, even if the clock is wrong (``VM.unretired``)."""
    return max(int(now), int(vm.unretire_time or 0) + 1)


def unretire_time(vm: VM, now: float) -> int:
    """Return the APFUnretireTime to write: not before APFRetireTime, even if the clock is wrong."""
    return max(int(now), int(vm.retire_time or 0))
