"""Status of the work, of the batch system and of the site, as one queue sees them."""

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
    """Information that is missing or too old, with the reason. It never counts as zero (rule 2)."""

    reason: str


BATCH_COUNTS = (
    "pending", "stuck", "running", "suspended", "done", "retiring", "retired", "held", "lost", "orphans", "ending",
)  # fmt: skip
"""Fields of a ``BatchStatus`` that are numbers."""


@dataclass(frozen=True)
class BatchStatus:
    """VMs or plain jobs that a queue already has. Held and lost VMs are counted but are no capacity."""

    pending: int = 0
    stuck: int = 0
    """Pending VMs that are no longer expected to join."""
    running: int = 0
    suspended: int = 0
    done: int = 0
    retiring: int = 0
    retired: int = 0
    held: int = 0
    lost: int = 0
    orphans: int = 0
    """Instances of this queue without a VM job; they are no capacity and count against every cap."""
    ending: int = 0
    """Instances whose VM job was removed and has left the queue; the cloud has not confirmed their end yet."""
    vms: tuple[VM, ...] = ()
    jobs: tuple[PlainJob, ...] = ()

    @classmethod
    def of_vms(cls, vms: Iterable[VM]) -> BatchStatus:
        """Count VMs by state: pending = submitted + booting + joined, running = busy + idle.

        A VM that only the last poll missed still counts as running: one poll is no proof (rule 2).
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
        """VM jobs in any state, and instances without one: the number that the hard cap limits (rule 6)."""
        return len(self.vms) + self.unowned

    @property
    def unowned(self) -> int:
        """Instances that may be alive and have no VM job."""
        return self.orphans + self.ending

    @property
    def unaccounted(self) -> int:
        """Machines that count against soft caps because they may run, although they are no capacity.

        These are lost VMs, held VMs with an instance, and instances without a VM job.
        """
        held = sum(1 for vm in self.vms if vm.state is VMState.HELD and vm.instance is not None)
        return self.lost + held + self.orphans

    @cached_property
    def states(self) -> Counter[VMState]:
        """Number of VMs in each state."""
        return Counter(vm.state for vm in self.vms)


@dataclass(frozen=True)
class WmsStatus:
    """The work that a queue serves, as numbers of jobs."""

    notready: int = 0
    ready: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    partial: str | None = None
    """Reason why work may be missing. The counts are then a lower bound, and nothing retires (rule 2)."""
    demand: Demand | None = None
    """The waiting jobs as groups, and the machines with room for them. None: only counts are known."""


@dataclass(frozen=True)
class SiteStatus:
    """Status of the site in the WMS, for example ``online``, ``test`` or ``offline``."""

    status: str
