"""A VM: VM job, instance and startd, joined by ``APFVM``; and a plain job."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from factory.model.job_status import JobStatus

TERMINATED = {"terminated", "shutting-down", "stopped", "stopping", "shutoff"}
"""The cloud's word that an instance has ended or is about to; one answer without it is none."""


@dataclass(frozen=True, slots=True, order=True)
class JobId:
    """An HTCondor job: ``cluster.proc``."""

    cluster: int
    proc: int

    def __str__(self) -> str:
        return f"{self.cluster}.{self.proc}"


class VMState(Enum):
    """Where a VM is in its life (DESIGN section 2)."""

    SUBMITTED = "submitted"
    """VM job without an instance."""
    BOOTING = "booting"
    """Instance without a startd."""
    JOINED = "joined"
    """Startd in the pool, never claimed yet."""
    BUSY = "busy"
    IDLE = "idle"
    RETIRING = "retiring"
    """Asked to leave; its claims run to their end."""
    RETIRED = "retired"
    """Proven empty: the master is there and says that its startd is not."""
    HELD = "held"
    LOST = "lost"
    """Was in the pool and left without being asked."""
    DONE = "done"
    """VM job removed or completed, about to leave the queue."""

    __hash__ = object.__hash__  # there is one of each; Enum's own, called so often, takes a tenth of a decision


STARTING = frozenset({VMState.SUBMITTED, VMState.BOOTING})
"""No startd yet."""
PENDING = STARTING | {VMState.JOINED}
RUNNING = frozenset({VMState.BUSY, VMState.IDLE})
"""Claimed at least once."""
IN_POOL = RUNNING | {VMState.JOINED}
"""Has a startd that takes jobs."""
UNCLAIMED = frozenset({VMState.JOINED, VMState.IDLE})
"""In the pool without a claim."""
CAPACITY = PENDING | RUNNING
"""Takes jobs now, or will when it has joined."""
RETIREMENT = frozenset({VMState.RETIRING, VMState.RETIRED})


def counted(n: int, noun: str) -> str:
    """``1 claim``, ``2 claims``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a job is held (HTCondor's HoldReasonCode, HoldReasonSubCode, HoldReason)."""

    code: int
    subcode: int
    reason: str
    status_on_release: int | None = None
    """JobStatusOnRelease; 3: it was being removed and the termination failed."""


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
    """The evidence for the state, for people."""
    shape: str = ""
    job_status: int = JobStatus.IDLE
    submitted: float = 0
    entered_status: float = 0
    instance: str | None = None
    grid_status: str | None = None
    """The cloud's own word for the state of the instance."""
    startd: str | None = None
    """Name of its startd and of its master, which are equal."""
    slots: tuple[str, ...] = ()
    """Names of its static and partitionable slots; condor_drain wants one of them."""
    claims: int = 0
    idle_since: float | None = None
    """Wholly unclaimed since; None: busy, or not in the pool."""
    joined_at: float | None = None
    """Start of its startd."""
    lease_end: float | None = None
    retire_time: float | None = None
    """APFRetireTime: when the factory decided to retire it."""
    unretire_time: float | None = None
    """APFUnretireTime: when the factory decided to take that back."""
    retire_seen: bool = False
    """Its ads show that the retirement is under way."""
    drain: Drain | None = None
    hold: Hold | None = None
    stuck: str | None = None
    """Why nobody should wait for it any more, though it is pending; then it counts for caps, but is no supply."""
    evictable: bool = False
    """A job on it set its own MaxJobRetirementTime, so that any retirement may evict it."""
    build: str = ""
    """What its image and its user-data are, as APFBuild says."""
    missed_once: bool = False
    """LOST, but only the last poll missed its startd: it still counts as running."""
    update_s: float = 0
    """How often it reports to the collector, as it was made; 0: not known."""
    foreign_startd: bool = False
    """A startd uses its APFVM that is not its own by identity or instance."""

    @property
    def unretired(self) -> bool:
        """Its retirement was taken back."""
        return self.retire_time is not None and (self.unretire_time or 0) >= self.retire_time

    @property
    def asked_to_retire(self) -> bool:
        """It was asked to retire and that stands."""
        return self.retire_time is not None and not self.unretired


@dataclass(frozen=True, slots=True)
class PlainJob:
    """A job that is capacity in itself, such as a pilot."""

    job: JobId
    status: int
    submitted: float
