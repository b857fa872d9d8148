"""The words of the factory as data: jobs that wait, VMs, what a chain asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from factory.model.demand import Demand
from factory.model.job_status import JobStatus
from factory.model.vm import PENDING, RUNNING, VM, PlainJob, VMState


@dataclass(frozen=True, slots=True)
class Unknown:
    """Information that is missing or too old, and why. Never the same as zero (rule 2)."""

    reason: str


@dataclass(frozen=True)
class BatchStatus:
    """What a queue already has. Held and lost VMs are counted, and are no capacity."""

    pending: int = 0
    stuck: int = 0
    """Of those pending: VMs that nobody should wait for any more."""
    running: int = 0
    suspended: int = 0
    done: int = 0
    retiring: int = 0
    retired: int = 0
    held: int = 0
    lost: int = 0
    orphans: int = 0
    """Instances of this queue without a VM job: no capacity, and they count against every cap."""
    vms: tuple[VM, ...] = ()
    jobs: tuple[PlainJob, ...] = ()

    @classmethod
    def of_vms(cls, vms: Iterable[VM]) -> BatchStatus:
        """Count VMs by state: pending = submitted + booting + joined, running = busy + idle.

        One that only the last poll missed is still running: one poll is no proof (rule 2).
        """
        vms = tuple(vms)
        states = Counter(vm.state for vm in vms)
        missed_once = sum(1 for vm in vms if vm.missed_once)
        return cls(
            pending=sum(states[s] for s in PENDING),
            stuck=sum(1 for vm in vms if vm.state in PENDING and vm.stuck is not None),
            running=sum(states[s] for s in RUNNING) + missed_once,
            suspended=sum(1 for vm in vms if vm.job_status == JobStatus.SUSPENDED),
            done=states[VMState.DONE],
            retiring=states[VMState.RETIRING],
            retired=states[VMState.RETIRED],
            held=states[VMState.HELD],
            lost=states[VMState.LOST] - missed_once,
            vms=vms,
        )

    @property
    def may_own_instance(self) -> int:
        """VM jobs that may own an instance, whatever their state, and orphans: what the hard cap counts (rule 6)."""
        return len(self.vms) + self.orphans

    @property
    def unaccounted(self) -> int:
        """What takes room under soft caps though it is no capacity: machines that may well run all the same.

        VMs that are lost or held with an instance, and instances without a VM job.
        """
        held = sum(1 for vm in self.vms if vm.state is VMState.HELD and vm.instance is not None)
        return self.lost + held + self.orphans

    @cached_property
    def states(self) -> Counter[VMState]:
        """VMs by state."""
        return Counter(vm.state for vm in self.vms)


@dataclass(frozen=True)
class WmsStatus:
    """The work that a queue serves, in jobs."""

    notready: int = 0
    ready: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    partial: str | None = None
    """Why a part of the work may be missing: the counts are then a lower bound, and nothing retires (rule 2)."""
    demand: Demand | None = None
    """The work that waits, as groups of jobs, and where there is room for it. None: only counts are known."""


@dataclass(frozen=True)
class SiteStatus:
    """What the WMS says of the site, for example ``online``, ``test`` or ``offline``."""

    status: str
