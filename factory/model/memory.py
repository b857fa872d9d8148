"""What is remembered from round to round, by subject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from factory.model.demand import Room
from factory.model.vm import VM


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A VM that has joined and was never seen claimed."""

    queue: str
    shape: str
    joined: float
    """First seen in the pool (epoch seconds)."""
    wanted: bool = True
    """Jobs of its queue have waited at each look since: none of them could use it, or they would have."""


@dataclass(frozen=True)
class FitMemory:
    """Nothing of it causes a purchase or a retirement; it delays some (rule 1)."""

    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    """By group key."""
    rooms: Mapping[str, Room] = field(default_factory=dict)
    """What a startd of a shape had, by ``str(shape)``."""
    newcomers: Mapping[str, Newcomer] = field(default_factory=dict)
    """By APFVM."""
    backoff: Mapping[str, Backoff] = field(default_factory=dict)
    """By queue."""
    stuck_s: Mapping[str, float] = field(default_factory=dict)
    """By queue: how long a machine must have stood unclaimed to have come in vain."""
    useless: frozenset[str] = frozenset()
    """VMs that no waiting job could use while others were bought: they are not taken back for the same jobs."""


PROBE_S = 3600
"""A stuck group gets one machine an hour."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What was seen of one group. Times are epoch seconds."""

    since: float
    """First seen, or its count fell."""
    count: int
    """Its jobs when it was last seen."""
    reason: str | None = None
    """What the negotiator says of it."""
    free_since: float | None = None
    """The same machines have had room for it since, on which nothing started; None: there is no such machine now."""
    machines: Mapping[str, Room] = field(default_factory=dict)
    """Some of these machines, and what was last free there."""
    rounds: int = 0
    """In which that was seen."""
    stuck: str | None = None
    """Why nothing is bought for it."""
    stuck_since: float = 0
    probed: float = 0
    """When a machine was last bought to find out more."""
    reasons: tuple[str, ...] = ()
    """What else the negotiator has said of it since ``since``: often one thing with a machine there, one without."""
    new_reason: bool = False
    """It is stuck, and since then the negotiator has said something new."""
    running: int = 0
    """Jobs of the same work that ran when the room was first seen free."""

    @property
    def probe_from(self) -> float:
        """When the next machine may be bought to find out more."""
        return 0 if self.new_reason else max(self.probed, self.stuck_since) + PROBE_S


@dataclass(frozen=True, slots=True)
class Backoff:
    """A queue whose machines come and leave unclaimed buys ever more rarely."""

    until: float
    """Nothing is bought before (epoch seconds)."""
    times: int
    """Machines in a row, so far."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """Why nothing, or only a probe, is bought."""

    what: str
    text: str
    opened: float
    until: float
    """Then a probe is bought."""
    times: int = 1
    """Failures in a row, a burst counting once."""


@dataclass(frozen=True)
class Health:
    """What is remembered of a queue's launches, by shape (``*``: all of them)."""

    breakers: Mapping[str, Breaker] = field(default_factory=dict)
    launches: Mapping[str, tuple[bool, ...]] = field(default_factory=dict)
    """The last machines of a shape, oldest first: whether each was any use."""
    counted: Mapping[str, bool] = field(default_factory=dict)
    """VMs whose outcome is in there, and which it was."""
    booting: Mapping[str, VM] = field(default_factory=dict)
    """VMs whose instances run and that had not joined when they were last seen."""
    proven: frozenset[str] = frozenset()
    """Builds of which a machine has joined and run a job (factory/health/canary.py)."""
    canaries: Mapping[str, str] = field(default_factory=dict)
    """By image: what is known of it with its user-data. Empty: nobody asks."""


@dataclass(frozen=True)
class AuditResult:
    """What the last audit that could see everything says of instances."""

    began: float = 0
    """When it began to ask the clouds; 0: there was none."""
    ended: frozenset[str] = frozenset()
    """VMs whose instances it saw, and that all had ended."""
    counted: frozenset[str] = frozenset()
    """VMs whose instances count as orphans."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one VM. Times are epoch seconds."""

    joined: float
    """Its startd was first seen."""
    gone: float | None = None
    """Its startd is missing since; None: it is there."""


@dataclass(frozen=True, slots=True)
class VanishedJob:
    """A VM job that left the queue though nobody sent it away."""

    queue: str
    since: float


@dataclass(frozen=True, slots=True)
class Attempts:
    """Commands to one VM."""

    what: str
    """Kind of the last one."""
    times: int
    """So many of this kind in a row."""


@dataclass(frozen=True)
class Memory:
    """What the process remembers, by ``APFVM``."""

    vms: Mapping[str, Seen] = field(default_factory=dict)
    sent: Mapping[str, float] = field(default_factory=dict)
    """When a command was last sent to a VM."""
    absent: Mapping[str, float] = field(default_factory=dict)
    """Since when neither startd nor master of a VM is in the pool, as far as was seen."""
    alone: Mapping[str, float] = field(default_factory=dict)
    """Since when only the master of a VM is in the pool, as far as was seen."""
    unseen: Mapping[str, float] = field(default_factory=dict)
    """VMs of which no startd was ever seen, and since when it was looked for."""
    attempts: Mapping[str, Attempts] = field(default_factory=dict)
    """What a VM was last told, and how often in a row."""
    refused: Mapping[str, int] = field(default_factory=dict)
    """Removals of a VM that came to nothing, in a row."""
    staying: Mapping[str, str] = field(default_factory=dict)
    """VM jobs that nobody has sent away, and their queues."""
    missing: Mapping[str, VanishedJob] = field(default_factory=dict)
    """VM jobs that have left the queue all the same (factory/world/vanished_jobs.py)."""
    ended: frozenset[str] = frozenset()
    """VMs of which the last audit saw that their instances have ended."""
    alive: frozenset[str] = frozenset()
    """VMs without a VM job whose instances it saw alive; what becomes of them says nothing of their shape."""
    health: Mapping[str, Health] = field(default_factory=dict)
    """What became of the machines that each queue bought."""
    fit: FitMemory = field(default_factory=FitMemory)
    """What is remembered of the jobs that wait, and of machines that came in vain."""
