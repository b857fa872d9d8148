"""The words of fitting: room, job groups, machines that have room, offers of new ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from factory.model.matches import Match, Table
from factory.model.shape import Shape


@dataclass(frozen=True, slots=True)
class Room:
    """Resources of a machine, or what a job asks for. Disk in KiB, memory in MiB, as HTCondor counts."""

    cpus: float = 0
    memory_mb: float = 0
    disk_kb: float = 0
    gpus: float = 0

    def holds(self, other: Room) -> bool:
        """Whether ``other`` fits into this room."""
        return (
            other.cpus <= self.cpus
            and other.memory_mb <= self.memory_mb
            and other.disk_kb <= self.disk_kb
            and other.gpus <= self.gpus
        )

    def times(self, other: Room) -> int:
        """How often ``other`` fits into this room; it must ask for something."""
        counts = [
            have // ask
            for have, ask in (
                (self.cpus, other.cpus),
                (self.memory_mb, other.memory_mb),
                (self.disk_kb, other.disk_kb),
                (self.gpus, other.gpus),
            )
            if ask > 0
        ]
        if not counts:
            raise ValueError("a job that asks for nothing fits without end")
        return max(0, int(min(counts)))

    def within(self, other: Room) -> Room:
        """No more of anything than ``other``."""
        return Room(
            min(self.cpus, other.cpus),
            min(self.memory_mb, other.memory_mb),
            min(self.disk_kb, other.disk_kb),
            min(self.gpus, other.gpus),
        )

    def minus(self, other: Room, n: int = 1) -> Room:
        """What is left after n times ``other``."""
        return Room(
            self.cpus - n * other.cpus,
            self.memory_mb - n * other.memory_mb,
            self.disk_kb - n * other.disk_kb,
            self.gpus - n * other.gpus,
        )


@dataclass(frozen=True, slots=True)
class JobGroup:
    """Idle jobs of one schedd that ask for the same thing: same autocluster, owner and accounting group."""

    key: str
    """Stable from poll to poll, and unique: schedd and selection, autocluster, owner, accounting group."""
    ask: Room
    """What one job asks for."""
    count: int
    owner: str = ""
    accounting_group: str = ""
    """AccountingGroup of the job, if it has one: its group and its user, which the negotiator counts it for."""
    requirements: str = "true"
    """Requirements as written, for people."""
    example: str = ""
    """One of its jobs, ``cluster.proc``."""
    problem: str | None = None
    """Why nothing is bought for it whatever the shapes: what it asks for can't be evaluated, say."""
    reject_reason: str | None = None
    """LastRejMatchReason of one of its jobs."""
    unmaterialised: int = 0
    """Jobs of the same kind that the schedd has not made yet (late materialisation); not in ``count``."""
    referenced: tuple[tuple[str, str], ...] = ()
    """What tells it apart from groups that ask for the same: attributes that machines refer to, and their values."""
    takes: Room | None = None
    """What a partitionable slot gives one job, where it has as much: startds round up. None: what it asks for."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A startd's slot (partitionable or static) with what is free on it now."""

    name: str
    kind: str
    """Machine class: slots that are equal in every attribute that the groups refer to."""
    free: Room
    total: Room
    vm: str | None = None
    """APFVM, if it is a VM of a factory."""
    static: bool = False
    """Takes one job, whatever that leaves over."""
    leaves_at: float | None = None
    """End of its lifetime, where it shows one (epoch seconds)."""
    leaving: bool = False
    """Retires or drains: its room is nobody's."""
    ours: bool = False
    """It says that it is a VM of this factory."""
    silent_s: float = 0
    """How long it had not reported when the collector was asked."""


@dataclass(frozen=True, slots=True)
class VMLease:
    """What the VM job of a machine says of it. The machine itself knows no lease, for that can be extended."""

    ends: float | None = None
    """End of its lease (epoch seconds)."""
    leaves: bool = False
    """It was asked to retire and that stands, or the job is on hold or at its end."""
    update_s: float = 0
    """How often it reports to the collector; 0: not known."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A shape that a queue may buy, as the groups see it."""

    shape: Shape
    room: Room
    """What a machine of it has for jobs, the startd's own overhead taken off."""
    price: float | None = None
    """Per hour; none: unknown, then cores stand for cost."""

    @property
    def cost(self) -> float:
        """What one machine counts: its price, else its cores."""
        return self.price if self.price is not None else max(self.room.cpus, 1.0)


@dataclass(frozen=True, slots=True)
class Template:
    """What is known of a machine of a shape that nobody has started yet."""

    shape: str
    room: Room
    attributes: tuple[tuple[str, str], ...] = ()
    """Attributes that its user-data or the configuration sets, as ClassAd expressions."""
    queue: str = ""
    """Whose machines: two queues may make different ones of a shape."""
    build: str = ""
    """What APFBuild is on such a machine: one of another build is no model for it. None is shown: empty."""

    @property
    def key(self) -> str:
        """How ``Demand.on_shapes`` calls it."""
        return f"{self.queue} {self.shape}" if self.queue else self.shape


@dataclass(frozen=True, slots=True)
class Limit:
    """So much of the waiting work would start now, whatever room there is."""

    name: str
    """What it is and how far it is used, for people."""
    left: float
    weights: Mapping[str, float]
    """Group key → what one of its jobs takes of it."""
    strict: bool = True
    """Whether a job starts only if all it takes is left; else the last one may go beyond."""
    of: str = ""
    """What it is, without how far it is used: what two schedds say of the same limit is one."""


@dataclass(frozen=True)
class Demand:
    """What one reading brought: groups, machines, and who matches whom.

    Keys of groups, and names of machines, mean the same in every demand of a round: queues whose plugins name the same
    work (``WmsStatusPlugin.shares``) share its jobs, group by group.
    """

    groups: tuple[JobGroup, ...] = ()
    machines: tuple[Machine, ...] = ()
    on_kinds: Mapping[tuple[str, str], Match] = field(default_factory=dict)
    """(group key, machine class) → match."""
    on_shapes: Mapping[tuple[str, str], Match] = field(default_factory=dict)
    """(group key, key of a template) → match against that machine."""
    excluded: Mapping[str, int] = field(default_factory=dict)
    """Idle jobs that can't run on a startd now, by reason."""
    others: Mapping[int, int] = field(default_factory=dict)
    """Jobs of the same work that are not idle, by JobStatus."""
    limits: tuple[Limit, ...] = ()
    """Limits and quotas of the pool, and of schedds, that stand against some groups, as far as they are known."""
    partial: bool = False
    """Whether groups may be missing: one of several schedds is not known."""
    leases: Mapping[str, VMLease] | None = None
    """By APFVM, what all VM jobs of this factory say; None: they are not known."""
    update_s: float = 300
    """How often a machine of this factory reports, unless its VM job says that it does so less often."""

    def on_shape(self, group: str, queue: str, shape: str) -> Match | None:
        """Whether a group's jobs would run on a new machine of a shape, as a queue makes it; None: not compared."""
        return self.on_shapes.get((group, f"{queue} {shape}")) or self.on_shapes.get((group, shape))

    def surely_served(self, group: str) -> bool:
        """Whether its jobs would run on a new machine of some shape of some queue."""
        shapes = self.on_shapes
        matches = shapes.row(group) if isinstance(shapes, Table) else [m for k, m in shapes.items() if k[0] == group]
        return any(match.ok for match in matches)

    def __reduce__(self) -> tuple[Any, ...]:
        """Machines travel as columns: ten thousand objects would take as long as the query that brought them."""
        rows = [tuple(getattr(machine, name) for name in Machine.__slots__) for machine in self.machines]
        columns = list(zip(*rows, strict=True))
        rooms: dict[Room, int] = {}
        for i in _ROOMS if columns else ():
            columns[i] = tuple([rooms.setdefault(room, len(rooms)) for room in columns[i]])
        plain = [(r.cpus, r.memory_mb, r.disk_kb, r.gpus) for r in rooms]
        rest = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "machines"}
        return _restored, (type(self), columns, plain, rest)


_ROOMS = [Machine.__slots__.index(name) for name in ("free", "total")]


def _restored(kind: type[Demand], columns: list[tuple[Any, ...]], plain: list[Any], rest: dict[str, Any]) -> Demand:
    rooms = [Room(*room) for room in plain]
    for i in _ROOMS if columns else ():
        columns[i] = tuple([rooms[n] for n in columns[i]])
    return kind(machines=tuple(map(Machine, *columns)) if columns else (), **rest)
