"""Memory of the factory from round to round, by subject. It may be lost at any time (rule 1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from factory.model.demand import Room
from factory.model.model_facts import ModelFacts
from factory.model.vm import VM


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A VM that joined and was never claimed."""

    queue: str
    shape: str
    joined: float
    """Time of its first poll in the pool, in epoch seconds."""
    wanted: bool = True
    """True: jobs of its queue waited at every poll since it joined, so none of them could use it."""


@dataclass(frozen=True)
class FitMemory:
    """Memory of job groups and unclaimed VMs. It can delay a purchase or retirement and never triggers one (rule 1)."""

    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    """Group key → memory of the group."""
    rooms: Mapping[str, Room] = field(default_factory=dict)
    """``str(shape)`` → room of a startd of that shape."""
    newcomers: Mapping[str, Newcomer] = field(default_factory=dict)
    """APFVM → VM that was never claimed."""
    backoff: Mapping[str, Backoff] = field(default_factory=dict)
    """Queue → its backoff."""
    stuck_s: Mapping[str, float] = field(default_factory=dict)
    """Queue → seconds after which an unclaimed VM counts as never claimed."""
    useless: frozenset[str] = frozenset()
    """VMs that no waiting job could use while others were bought. They are not unretired for the same jobs."""
    facts: Mapping[str, ModelFacts] = field(default_factory=dict)
    """Model → what its machines have shown. Without it jobs get a probe where they would get all their machines."""
    doubts: Mapping[str, Doubt] = field(default_factory=dict)
    """Queue, shape and reason → probes of a no that only machines have shown (factory/fit/doubts.py)."""


PROBE_S = 3600
"""Interval between two probes of a group."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Memory of one job group. Times are epoch seconds."""

    since: float
    """Time of its first poll, or of the last fall of its count."""
    count: int
    """Number of jobs in the last poll."""
    reason: str | None = None
    """Last reject reason of the negotiator."""
    free_since: float | None = None
    """Time since which the same machines have unused room for it; None: no such machine."""
    machines: Mapping[str, Room] = field(default_factory=dict)
    """Some of these machines, and their free room in the last poll."""
    rounds: int = 0
    """Number of polls with this unused room."""
    stuck: str | None = None
    """Reason why the group is stuck; None: it is not."""
    stuck_since: float = 0
    probed: float = 0
    """Time of the last probe; 0: none."""
    reasons: tuple[str, ...] = ()
    """Other reject reasons since ``since``. Reasons often alternate as a machine comes and goes."""
    new_reason: bool = False
    """True: the negotiator gave a new reject reason after the group became stuck."""
    running: int = 0
    """Running jobs of the same work at ``free_since``."""

    @property
    def probe_from(self) -> float:
        """Time from which the next probe may be bought."""
        return 0 if self.new_reason else max(self.probed, self.stuck_since) + PROBE_S


@dataclass(frozen=True, slots=True)
class Doubt:
    """A reason for which jobs do not run on a shape, which only machines have shown. Times are epoch seconds."""

    queue: str
    since: float
    """Time of the first poll with it, or of the last probe."""
    times: int = 0
    """Probes in vain."""
    probed: float = 0
    """Time of the last probe; 0: none."""
    seen: float = 0
    """Time of the last poll with it."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Backoff of a queue whose VMs retire unclaimed: it buys less and less often."""

    until: float
    """End of the backoff in epoch seconds; the queue buys nothing before."""
    times: int
    """Number of backoffs in a row."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """An open breaker of a shape or queue: nothing, or only a probe, is bought."""

    what: str
    text: str
    opened: float
    until: float
    """Time from which a probe may be bought."""
    times: int = 1
    """Failures in a row; a burst counts once."""


@dataclass(frozen=True)
class Health:
    """Memory of the launches of a queue, by shape (``*``: all shapes)."""

    breakers: Mapping[str, Breaker] = field(default_factory=dict)
    launches: Mapping[str, tuple[bool, ...]] = field(default_factory=dict)
    """Outcomes of the last VMs of a shape, oldest first. True: the VM was useful."""
    counted: Mapping[str, bool] = field(default_factory=dict)
    """APFVM → outcome, of the VMs that are counted in ``launches``."""
    booting: Mapping[str, VM] = field(default_factory=dict)
    """VMs whose instances run and that had not joined at the last poll."""
    proven: frozenset[str] = frozenset()
    """Builds of which a VM has joined and run a job (factory/health/canary.py)."""
    canaries: Mapping[str, str] = field(default_factory=dict)
    """Image → state of its canary. Empty: canaries are off."""


@dataclass(frozen=True)
class AuditResult:
    """Instances in the last audits."""

    began: Mapping[str, float] = field(default_factory=dict)
    """Time at which the last audit began in which the cloud of a queue answered, by queue."""
    asked: frozenset[str] = frozenset()
    """Queues whose cloud audits ask."""
    ended: frozenset[str] = frozenset()
    """VMs whose instances have all ended."""
    counted: frozenset[str] = frozenset()
    """VMs whose instances count as orphans."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Presence of one VM in the pool. Times are epoch seconds."""

    joined: float
    """Time of the first poll with its startd."""
    gone: float | None = None
    """Time since which its startd is missing; None: it is in the pool."""


@dataclass(frozen=True, slots=True)
class VanishedJob:
    """A VM job that left the queue, and whose instance may be alive."""

    queue: str
    since: float
    expected: bool = False
    """True if it was being removed, or its lease had ended."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """Repeated commands to one VM."""

    what: str
    """Kind of the last command."""
    times: int
    """Number of commands of this kind in a row."""


@dataclass(frozen=True)
class Memory:
    """Memory of the factory process, by ``APFVM``."""

    vms: Mapping[str, Seen] = field(default_factory=dict)
    sent: Mapping[str, float] = field(default_factory=dict)
    """Time of the last command to a VM."""
    absent: Mapping[str, float] = field(default_factory=dict)
    """Time since which neither startd nor master of a VM is in the pool, as far as polled."""
    alone: Mapping[str, float] = field(default_factory=dict)
    """Time since which only the master of a VM is in the pool, as far as polled."""
    proven: Mapping[str, float] = field(default_factory=dict)
    """Time since which a VM is proven empty: its master reports that no startd runs, or the cloud that it has ended."""
    unseen: Mapping[str, float] = field(default_factory=dict)
    """Time of the first poll of a VM whose startd has never been in the pool."""
    attempts: Mapping[str, Attempts] = field(default_factory=dict)
    """Last kind of command to a VM, and the number of attempts."""
    refused: Mapping[str, int] = field(default_factory=dict)
    """Failed removals of a VM in a row."""
    staying: Mapping[str, str] = field(default_factory=dict)
    """VM jobs that nobody removed, and their queues."""
    ending: Mapping[str, str] = field(default_factory=dict)
    """VM jobs that are being removed or whose lease has ended, and their queues."""
    missing: Mapping[str, VanishedJob] = field(default_factory=dict)
    """VM jobs that left the queue and whose instances count until their end is known (world/vanished_jobs.py)."""
    ended: frozenset[str] = frozenset()
    """VMs whose instances have all ended, by the last audit."""
    alive: frozenset[str] = frozenset()
    """VMs without a VM job whose instances the last audit saw alive. Their outcome does not count for their shape."""
    health: Mapping[str, Health] = field(default_factory=dict)
    """Outcome of the VMs that each queue bought."""
    fit: FitMemory = field(default_factory=FitMemory)
    """Memory of waiting job groups and unclaimed VMs."""
