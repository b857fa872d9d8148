"""Job groups, machines, shapes and VMs for tests of fitting; no HTCondor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from factory.fit.share import Share
from factory.fit.supply import Supply
from factory.model.demand import Demand, JobGroup, Machine, Offer, Room
from factory.model.matches import Match
from factory.model.memory import Waiting
from factory.model.shape import Shape
from factory.model.status import BatchStatus, WmsStatus
from factory.model.vm import VM, JobId, VMState
from factory.plugin.sched import View

NOW = 1_000_000.0
DISK = 10_000_000.0


def offer(name: str = "m5.2xlarge", cpus: float = 8, memory_mb: float = 32_000, price: float | None = None) -> Offer:
    """A shape of this size."""
    return Offer(Shape("ami-1", name), Room(cpus, memory_mb, DISK), price)


def group(key: str, cpus: float, memory_mb: float, count: int, owner: str = "", **more: object) -> JobGroup:
    """Jobs that ask for this."""
    return JobGroup(key, Room(cpus, memory_mb, 1000), count, owner, **more)  # type: ignore[arg-type]


def machine(name: str, free: float, memory_mb: float, total: float = 8, **more: object) -> Machine:
    """A machine of 32,000 MiB with this free; ``kind`` is ``k`` if not said."""
    return Machine(
        name, str(more.pop("kind", "k")), Room(free, memory_mb, DISK), Room(total, 32_000, DISK), **more  # type: ignore[arg-type]
    )  # fmt: skip


def vm(number: int, state: VMState, shape: Offer | str = "", queue: str = "Q", **more: object) -> VM:
    """VM ``vm<number>``."""
    name = str(shape.shape) if isinstance(shape, Offer) else shape
    return VM(f"vm{number:05}", queue, JobId(1, number), state, "", shape=name, **more)  # type: ignore[arg-type]


def demand(
    groups: Iterable[JobGroup],
    machines: Iterable[Machine] = (),
    offers: Iterable[Offer] = (),
    no: Mapping[tuple[str, str], Match] | None = None,
) -> Demand:
    """All match all, but for what ``no`` says of (group, kind or type)."""
    groups, machines, no = tuple(groups), tuple(machines), no or {}
    yes = Match(ok=True)
    kinds = {m.kind for m in machines}
    return Demand(
        groups,
        machines,
        on_kinds={(g.key, kind): no.get((g.key, kind), yes) for g in groups for kind in kinds},
        on_shapes={(g.key, str(o.shape)): no.get((g.key, o.shape.instance_type), yes) for g in groups for o in offers},
    )


def share(
    wanted: Demand,
    offers: Sequence[Offer],
    vms: Iterable[VM] = (),
    now: float = NOW,
    waiting: Mapping[str, Waiting] | None = None,
    closed: str | None = None,
) -> Share:
    """What the only queue sees."""
    supply = Supply(wanted, tuple((0, one) for one in vms), {str(o.shape): o for o in offers}, now)
    return Share(supply, tuple(offers), waiting=waiting or {}, closed=closed)


def view(seen: Share, vms: Iterable[VM] = ()) -> View:
    """What a plugin of the queue sees."""
    return View("Q", seen.supply.now, WmsStatus(), BatchStatus.of_vms(vms), WmsStatus(), 0, None, seen)  # type: ignore[arg-type]
