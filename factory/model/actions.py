"""What a round may do. Every action carries a reason that a person can read (rule 13)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

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
    """One for each VM; empty for plain jobs."""
    orphans: int = 0
    """Instances of the queue without a VM job: they take room under its hard cap."""
    reason: str


@dataclass(frozen=True, kw_only=True)
class Unretire:
    """Take a retirement back: cancel the drain, or have the startd start again when it has left."""

    queue: str
    vm: VM
    attempt: int = 1
    """How often in a row it is now told so; those told least come first."""
    reason: str


@dataclass(frozen=True, kw_only=True)
class ClearRetire:
    """Forget ``APFRetireTime`` once the ads confirm that the VM is in service again."""

    queue: str
    vm: VM
    reason: str


@dataclass(frozen=True, kw_only=True)
class Retire:
    """Write ``APFRetireTime`` on the VM job, then ask the startd to finish its jobs and leave."""

    queue: str
    vm: VM
    method: Method
    repeat: bool = False
    """The job already has its APFRetireTime; only the command is sent again."""
    attempt: int = 1
    """How often in a row it is now told so; those told least come first."""
    reason: str


@dataclass(frozen=True, kw_only=True)
class Remove:
    """Remove a job, which ends its instance, if it still is what it was when that was decided."""

    queue: str
    job: JobId
    still: str = "true"
    """ClassAd expression over the job ad: the state that justified the removal; the schedd checks it."""
    vm: VM | None = None
    """For a VM with an instance: no polled schedd may show a job running there (rule 5)."""
    absent: bool = False
    """The collector may have no ad of the VM; asked again before it is removed."""
    master: bool = False
    """But one of its master."""
    reason: str


@dataclass(frozen=True, kw_only=True)
class Release:
    """Release a held job, so that its termination, or its launch, is tried again."""

    queue: str
    vm: VM
    still: str = "true"
    ends: bool = False
    """Its instance ends by that: no job may run there, and its startd may not be in the pool (rule 5)."""
    reason: str


Action = Submit | Unretire | ClearRetire | Retire | Remove | Release


@dataclass(frozen=True)
class Outcome:
    """How an action went."""

    action: Action
    error: str | None = None
    jobs: tuple[JobId, ...] = field(default=())
    """Jobs that were submitted or touched."""
    tried: bool = True
    """False: there was no time left for the command."""


def commands_sent(actions: Iterable[Action]) -> dict[str, str]:
    """VMs that were told something, and what; one without a startd is told when it has one."""
    return {
        action.vm.uuid: type(action).__name__.lower()
        for action in actions
        if isinstance(action, Release) or (isinstance(action, Retire | Unretire) and action.vm.startd is not None)
    }


@dataclass(frozen=True)
class Plan:
    """Actions, and notes on what was asked and will not be done."""

    actions: tuple[Action, ...] = ()
    notes: tuple[str, ...] = ()
    health: Health | None = None
    """What the next plan shall find in ``memory.health`` of this queue. None: what is there."""


def retire_time(vm: VM, now: float) -> int:
    """Return the APFRetireTime to write: later than an earlier return, whatever the clock says (``VM.unretired``)."""
    return max(int(now), int(vm.unretire_time or 0) + 1)


def unretire_time(vm: VM, now: float) -> int:
    """Return the APFUnretireTime to write: not before the retirement that it takes back, whatever the clock says."""
    return max(int(now), int(vm.retire_time or 0))
