"""Data of fitting: room, job groups, machines with room, and offers of new machines."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from factory.model.matches import Match, Table
from factory.model.model_facts import ShownAttributes
from factory.model.shape import Shape


@dataclass(frozen=True, slots=True)
class Room:
    """Resources of a machine, or the request of a job. Disk in KiB, memory in MiB, as in HTCondor.

    A custom resource (``MACHINE_RESOURCE_<name>``) that is not named limits nothing in a machine, and is not requested
    by a job.
    """

    cpus: float = 0
    memory_mb: float = 0
    disk_kb: float = 0
    gpus: float = 0
    custom: tuple[tuple[str, float], ...] = ()
    """Custom resources: name in lower case, amount; sorted by name."""

    def holds(self, other: Room) -> bool:
        """True if ``other`` fits into this room."""
        return (
            other.cpus <= self.cpus
            and other.memory_mb <= self.memory_mb
            and other.disk_kb <= self.disk_kb
            and other.gpus <= self.gpus
            and (not other.custom or all(amount <= self.of(name) for name, amount in other.custom))
        )

    def of(self, name: str) -> float:
        """Return the amount of a custom resource of a machine; infinite if it has no such resource."""
        return dict(self.custom).get(name, math.inf)

    def times(self, other: Room) -> int:
        """Return the number of times that ``other`` fits into this room.

        Raises:
            ValueError: ``other`` is empty.
        """
        counts = [
            have // ask
            for have, ask in (
                (self.cpus, other.cpus),
                (self.memory_mb, other.memory_mb),
                (self.disk_kb, other.disk_kb),
                (self.gpus, other.gpus),
                *((self.of(name), amount) for name, amount in other.custom if self.of(name) < math.inf),
            )
            if ask > 0
        ]
        if not counts:
            raise ValueError("a job that requests nothing fits any number of times")
        return max(0, int(min(counts)))

    def within(self, other: Room) -> Room:
        """Return this room with no resource larger than in ``other``."""
        return Room(
            min(self.cpus, other.cpus),
            min(self.memory_mb, other.memory_mb),
            min(self.disk_kb, other.disk_kb),
            min(self.gpus, other.gpus),
            tuple((name, min(amount, other.of(name))) for name, amount in self.custom),
        )

    def minus(self, other: Room, n: int = 1) -> Room:
        """Return the room left after n times ``other``."""
        return Room(
            self.cpus - n * other.cpus,
            self.memory_mb - n * other.memory_mb,
            self.disk_kb - n * other.disk_kb,
            self.gpus - n * other.gpus,
            tuple((name, amount - n * dict(other.custom).get(name, 0)) for name, amount in self.custom),
        )


LEAST = Room(1)
"""The least that a job requests."""


@dataclass(frozen=True, slots=True)
class JobGroup:
    """Idle jobs of one schedd that request the same: same autocluster, owner and accounting group."""

    key: str
    """Unique key, stable from poll to poll: schedd and selection, autocluster, owner, accounting group."""
    ask: Room
    """Request of one job."""
    count: int
    owner: str = ""
    accounting_group: str = ""
    """AccountingGroup of the job (group and user), if it has one; the negotiator counts the job for it."""
    requirements: str = "true"
    """Requirements as written, for people."""
    example: str = ""
    """One of the jobs, ``cluster.proc``."""
    problem: str | None = None
    """Reason why no shape can serve it, such as a request that can't be evaluated. None: there is none."""
    reject_reason: str | None = None
    """LastRejMatchReason of one of the jobs."""
    unmaterialised: int = 0
    """Jobs of the group that the schedd has not materialised yet; not in ``count``."""
    referenced: tuple[tuple[str, str], ...] = ()
    """Attributes that machines refer to, and their values. They distinguish groups with equal requests."""
    takes: Room | None = None
    """Room that a partitionable slot gives one job, if it has as much: startds round up. None: the request itself."""
    refers: frozenset[str] = frozenset()
    """Attributes of machines, in lower case, that the request can depend on."""
    varies: bool = False
    """True: the request depends on the machine (``Match.ask``); on one that says nothing of it, it is ``ask``."""
    custom: tuple[str, ...] = ()
    """Custom resources that a request which depends on the machine can name, in lower case."""

    @property
    def least(self) -> Room:
        """The least that one job requests of any machine."""
        return LEAST if self.varies else self.ask


@dataclass(frozen=True, slots=True)
class Machine:
    """A slot of a startd (partitionable or static) with its free room."""

    name: str
    kind: str
    """Machine class: slots with equal values of all attributes that the groups refer to."""
    free: Room
    total: Room
    vm: str | None = None
    """APFVM, if it is the VM of a factory."""
    static: bool = False
    """True: the slot takes one job, however small."""
    ends_at: float | None = None
    """End of its lifetime in epoch seconds, if its ad shows one."""
    retiring: bool = False
    """True: it retires or drains, so it takes no new jobs."""
    ours: bool = False
    """True: its ad says that it is a VM of this factory."""
    silent_s: float = 0
    """Age of its ad when the collector was polled."""
    offline: bool = False
    """True: it hibernates (``Offline``); its ad stands for a machine that no job starts on before it is woken up."""
    unready: bool = False
    """True: its START takes no waiting job yet, but may once the machine shows an attribute that it still lacks."""


@dataclass(frozen=True, slots=True)
class VMLease:
    """Lease and retirement of a machine, from its VM job. Its ad shows no lease, which can be extended."""

    ends: float | None = None
    """End of the lease in epoch seconds; None: no lease."""
    retiring: bool = False
    """True: it was asked to retire, or its VM job is held, removed or completed."""
    update_s: float = 0
    """Interval of its updates to the collector; 0: unknown."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A shape that a queue may buy, with its room and price."""

    shape: Shape
    room: Room
    """Room for jobs on a machine of this shape, without the overhead of the system."""
    price: float | None = None
    """Price per hour; None: unknown, and the cost is the number of cores."""

    @property
    def cost(self) -> float:
        """Cost of one machine: its price, else its cores."""
        return self.price if self.price is not None else max(self.room.cpus, 1.0)


@dataclass(frozen=True, slots=True)
class Template:
    """The ad that a new machine of a shape would show, as far as it is known."""

    shape: str
    room: Room
    attributes: tuple[tuple[str, str], ...] = ()
    """Attributes from its user-data or the configuration, as ClassAd expressions."""
    queue: str = ""
    """Queue of the machine: two queues may make different machines of one shape."""
    build: str = ""
    """APFBuild of such a machine; empty: not shown. A running machine of another build is no model for it."""

    @property
    def key(self) -> str:
        """Key in ``Demand.on_shapes``."""
        return f"{self.queue} {self.shape}" if self.queue else self.shape

    @property
    def model(self) -> str:
        """Model of the machine (factory/model/model_facts.py)."""
        return model_of(self.queue, self.shape, self.build)


def model_of(queue: str, shape: str, build: str) -> str:
    """Return the model of a machine, from its APFQueue, APFShape and APFBuild."""
    return f"{queue} {shape} {build}"


@dataclass(frozen=True, slots=True)
class Limit:
    """A cap on the number of waiting jobs that the negotiator would start, independent of free slots."""

    name: str
    """Name and present use, for people."""
    left: float
    weights: Mapping[str, float]
    """Group key → amount of the limit that one job takes."""
    strict: bool = True
    """True: a job starts only if all that it takes is left. False: the last job may exceed the limit."""
    of: str = ""
    """Name without the present use: two schedds report the same limit under it."""
    grows: bool = False
    """True: it is a part of the pool that is used up now. When the pool grows it grows too, so it is only named."""


@dataclass(frozen=True)
class Demand:
    """Groups, machines and their matches, from one reading.

    Group keys and machine names mean the same in every demand of a round. Queues whose plugins name the same work
    (``WmsStatusPlugin.shares``) share its jobs, group by group.
    """

    groups: tuple[JobGroup, ...] = ()
    machines: tuple[Machine, ...] = ()
    on_kinds: Mapping[tuple[str, str], Match] = field(default_factory=dict)
    """(group key, machine class) → match."""
    on_shapes: Mapping[tuple[str, str], Match] = field(default_factory=dict)
    """(group key, template key) → match against the new machine."""
    excluded: Mapping[str, int] = field(default_factory=dict)
    """Number of idle jobs that can't run on a startd now, by reason."""
    others: Mapping[int, int] = field(default_factory=dict)
    """Number of jobs of the same work that are not idle, by JobStatus."""
    limits: tuple[Limit, ...] = ()
    """Known limits and quotas of the pool and of schedds that affect some groups."""
    partial: bool = False
    """True: groups may be missing, because one of several schedds is unknown."""
    leases: Mapping[str, VMLease] | None = None
    """APFVM → lease, of all VM jobs of this factory; None: unknown."""
    update_s: float = 300
    """Update interval of the machines of this factory, unless a VM job names a longer one."""
    shown: tuple[ShownAttributes, ...] = ()
    """Attributes that VMs of this factory show now, where they add to the facts on their models."""
    proven: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Model → digests of job ads that one of its VMs matches, although that is not known yet."""

    def on_shape(self, group: str, queue: str, shape: str) -> Match | None:
        """Return the match of a group with a new machine of a shape, as a queue makes it; None: not compared."""
        return self.on_shapes.get((group, f"{queue} {shape}")) or self.on_shapes.get((group, shape))

    def surely_served(self, group: str) -> bool:
        """True if the jobs of a group would run on a new machine of some shape of some queue."""
        shapes = self.on_shapes
        matches = shapes.row(group) if isinstance(shapes, Table) else [m for k, m in shapes.items() if k[0] == group]
        return any(match.ok for match in matches)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle machines as columns. Ten thousand objects would take as long as the query that fetched them."""
        rows = [tuple(getattr(machine, name) for name in Machine.__slots__) for machine in self.machines]
        columns = list(zip(*rows, strict=True))
        rooms: dict[Room, int] = {}
        for i in _ROOMS if columns else ():
            columns[i] = tuple([rooms.setdefault(room, len(rooms)) for room in columns[i]])
        plain = [(r.cpus, r.memory_mb, r.disk_kb, r.gpus, r.custom) for r in rooms]
        rest = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "machines"}
        return _restored, (type(self), columns, plain, rest)


_ROOMS = [Machine.__slots__.index(name) for name in ("free", "total")]


def _restored(kind: type[Demand], columns: list[tuple[Any, ...]], plain: list[Any], rest: dict[str, Any]) -> Demand:
    rooms = [Room(*room) for room in plain]
    for i in _ROOMS if columns else ():
        columns[i] = tuple([rooms[n] for n in columns[i]])
    return kind(machines=tuple(map(Machine, *columns)) if columns else (), **rest)
