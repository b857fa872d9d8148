"""A VM: VM job, instance and startd, joined by ``APFVM``; and a plain job."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from factory.model.job_status import JobStatus

TERMINATED = {"terminated", "shutting-down", "stopped", "stopping", "shutoff"}
"""States in which the cloud says that an instance has ended or is about to. A missing instance is no such proof."""


@dataclass(frozen=True, slots=True, order=True)
class JobId:
    """An HTCondor job: ``cluster.proc``."""

    cluster: int
    proc: int

    def __str__(self) -> str:
        return f"{self.cluster}.{self.proc}"


class VMState(Enum):
    """State in the life of a VM."""

    SUBMITTED = "submitted"
    """The VM job has no instance."""
    BOOTING = "booting"
    """The instance has no startd in the pool."""
    JOINED = "joined"
    """The startd is in the pool and was never claimed."""
    BUSY = "busy"
    IDLE = "idle"
    RETIRING = "retiring"
    """It was asked to retire; its claims run to their end."""
    RETIRED = "retired"
    """Proven empty: the master is in the pool and its ad says that the startd is not running."""
    HELD = "held"
    LOST = "lost"
    """It was in the pool and disappeared without being asked to retire."""
    DONE = "done"
    """The VM job is removed or completed and about to leave the queue."""

    __hash__ = object.__hash__  # members are singletons; Enum.__hash__ would take a tenth of a decision


STARTING = frozenset({VMState.SUBMITTED, VMState.BOOTING})
"""VMs without a startd in the pool yet."""
PENDING = STARTING | {VMState.JOINED}
RUNNING = frozenset({VMState.BUSY, VMState.IDLE})
"""VMs in the pool that were claimed at least once."""
IN_POOL = RUNNING | {VMState.JOINED}
"""VMs whose startd takes jobs."""
UNCLAIMED = frozenset({VMState.JOINED, VMState.IDLE})
"""VMs in the pool without a claim."""
CAPACITY = PENDING | RUNNING
"""VMs that take jobs now, or will after they join."""
RETIREMENT = frozenset({VMState.RETIRING, VMState.RETIRED})


def counted(n: int, noun: str) -> str:
    """Return a number with its noun: ``1 claim``, ``2 claims``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


@dataclass(frozen=True, slots=True)
class Hold:
    """HoldReasonCode, HoldReasonSubCode and HoldReason of a held job."""

    code: int
    subcode: int
    reason: str
    status_on_release: int | None = None
    """JobStatusOnRelease; 3: the job was being removed and the termination failed."""


@dataclass(frozen=True, slots=True)
class Drain:
    """A drain that a startd reports."""

    reason: str
    ours: bool


@dataclass(frozen=True, slots=True)
class VM:
    """VM job, instance and startd, joined by ``APFVM``. Times are epoch seconds."""

    uuid: str
    queue: str
    job: JobId
    state: VMState
    why: str
    """Evidence for the state, for people."""
    shape: str = ""
    job_status: int = JobStatus.IDLE
    submitted: float = 0
    entered_status: float = 0
    instance: str | None = None
    grid_status: str | None = None
    """GridJobStatus: state of the instance in the cloud's words."""
    startd: str | None = None
    """Name of its startd, which is also the name of its master."""
    slots: tuple[str, ...] = ()
    """Names of its static and partitionable slots; condor_drain needs one of them."""
    claims: int = 0
    idle_since: float | None = None
    """Time since which no slot is claimed; None: busy, or not in the pool."""
    joined_at: float | None = None
    """Start time of its startd."""
    lease_end: float | None = None
    retire_time: float | None = None
    """APFRetireTime: time of the decision to retire it."""
    unretire_time: float | None = None
    """APFUnretireTime: time of the decision to take that back."""
    retire_seen: bool = False
    """True: its ads show that the retirement is under way."""
    drain: Drain | None = None
    hold: Hold | None = None
    stuck: str | None = None
    """Reason why a pending VM is no longer expected to join. It still counts for caps but is no supply."""
    evictable: bool = False
    """True: a job on it set its own MaxJobRetirementTime, so that any retirement may evict that job."""
    build: str = ""
    """APFBuild: digest of its image and user-data."""
    missed_once: bool = False
    """True: it is LOST, but only the last poll missed its startd. It still counts as running."""
    update_s: float = 0
    """Interval of its updates to the collector, as configured in its user-data; 0: unknown."""
    foreign_startd: bool = False
    """True: a startd with another identity or instance uses its APFVM."""

    @property
    def unretired(self) -> bool:
        """True if its retirement was taken back."""
        return self.retire_time is not None and (self.unretire_time or 0) >= self.retire_time

    @property
    def asked_to_retire(self) -> bool:
        """True if it was asked to retire and that was not taken back."""
        return self.retire_time is not None and not self.unretired


@dataclass(frozen=True, slots=True)
class PlainJob:
    """A plain job that is itself capacity, such as a pilot."""

    job: JobId
    status: int
    submitted: float
