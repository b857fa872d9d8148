"""The words of the factory as data: jobs that wait, VMs, what a chain asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING

from factory.fit.model import Demand
from factory.shape import Shape as Shape  # noqa: PLC0414  one of the words of this module

if TYPE_CHECKING:
    from factory.fit.share import Verdict


@dataclass(frozen=True, slots=True)
class Unknown:
    """Information that is missing or too old, and why. Never the same as zero (rule 2)."""

    reason: str


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
    job_status: int = 1
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
    stranger: bool = False
    """A startd uses its APFVM that is not its own by identity or instance."""

    @property
    def wanted_back(self) -> bool:
        """Its retirement was taken back."""
        return self.retire_time is not None and (self.unretire_time or 0) >= self.retire_time

    @property
    def asked_to_leave(self) -> bool:
        """It was asked to retire and that stands."""
        return self.retire_time is not None and not self.wanted_back


@dataclass(frozen=True, slots=True)
class PlainJob:
    """A job that is capacity in itself, such as a pilot."""

    job: JobId
    status: int
    submitted: float


_PENDING = {VMState.SUBMITTED, VMState.BOOTING, VMState.JOINED}
_RUNNING = {VMState.BUSY, VMState.IDLE}


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
            pending=sum(states[s] for s in _PENDING),
            stuck=sum(1 for vm in vms if vm.state in _PENDING and vm.stuck is not None),
            running=sum(states[s] for s in _RUNNING) + missed_once,
            suspended=sum(1 for vm in vms if vm.job_status == 7),
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


@dataclass(frozen=True)
class Ask:
    """What a chain passes on. n > 0: add n VMs; n < 0: retire -n.

    ``shapes`` names the shapes to add, most wanted first, and ``victims`` the UUIDs to retire, best
    first; either may be empty, then the queue's first shape, or the usual order, serves. Victims of an ask that
    retires none (n >= 0) leave beside what is added: machines that nobody can use hold no place of others.
    """

    n: int = 0
    shapes: tuple[Shape, ...] = ()
    victims: tuple[str, ...] = ()

    def to(self, n: int) -> Ask:
        """The same ask for n: lowering |n| cuts from the end, raising it adds the first shape, a new sign drops both.

        But what was to leave beside machines to add leaves still, or first.
        """
        if n == self.n:
            return self
        if n < 0:
            return Ask(n, victims=self.victims[:-n])
        shapes = self.shapes[:n]
        if shapes:
            shapes += (self.shapes[0],) * (n - len(shapes))
        return Ask(n, shapes, () if self.n < 0 else self.victims)


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step of a chain as it was decided: what a person reads in ``apf status`` and ``explain``."""

    plugin: str
    n_in: int
    n_out: int
    reason: str


@dataclass(frozen=True)
class Chain:
    """A decided chain. ``hold`` says why nothing may be concluded; then ``ask`` is empty."""

    steps: tuple[StepRecord, ...] = ()
    ask: Ask = field(default_factory=Ask)
    hold: str | None = None
    unknown: bool = False
    """It holds because something is not known, and not because it is paused or broken."""
    verdict: Verdict | None = None
    """Which waiting jobs the asked machines are for, where a step looked at job groups."""

    @property
    def reason(self) -> str:
        """Why it came out so, in one line: the hold, or the step that had the last word on n."""
        if self.hold is not None:
            return self.hold
        if not self.steps:
            return "no sched plugin"
        changed = [step for step in self.steps if step.n_in != step.n_out]
        last = (changed or self.steps)[-1]
        return f"{last.plugin}: {last.reason}"
