"""One decision for all queues that are due: a fold over the queues through a ledger. Pure (rule 4)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from factory.actions import Action, ClearRetire, Release, Remove, Retire, Submit, Unretire
from factory.chain import run_chain
from factory.config.settings import Config, Queue
from factory.faults import FAULTS, fault
from factory.ledger import Ledger
from factory.model import Ask, BatchStatus, Chain, SiteStatus, Unknown, WmsStatus
from factory.plugin import Plan, Plugin, View
from factory.sense import checked_plan, checked_status
from factory.source import Reading, Readings
from factory.track import Memory

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """Everything that a round may depend on."""

    now: float
    readings: Mapping[str, Reading]
    memory: Memory = field(default_factory=Memory)
    acted: Mapping[str, float] = field(default_factory=dict)
    """End of each queue's last act."""
    usurper: str | None = None
    """A newer factory with our id that was seen at work (rule 10)."""
    paused: Mapping[str, str] = field(default_factory=dict)
    """Queues that somebody paused, and who, when and why."""
    faults: Mapping[str, str] = field(default_factory=dict)
    """Queues of which a plugin can't say what it reads, and why."""


@dataclass(frozen=True)
class Decision:
    """What was decided for one queue, and why."""

    queue: str
    chain: Chain
    actions: tuple[Action, ...] = ()
    notes: tuple[str, ...] = ()
    wms: WmsStatus | Unknown | None = None
    batch: BatchStatus | Unknown = Unknown("not read")
    site: SiteStatus | Unknown | None = None


@dataclass(frozen=True)
class Round:
    """The decisions of one round, in the order in which they were made."""

    now: float
    decisions: tuple[Decision, ...]

    @property
    def actions(self) -> tuple[Action, ...]:
        """What to do: additions in the order of priority, then what ends machines in the reverse order."""
        up = [action for decision in self.decisions for action in decision.actions]
        down = [action for decision in reversed(self.decisions) for action in decision.actions]
        return tuple(
            action
            for kind in (Unretire, Submit, ClearRetire, Release, Remove, Retire)
            for action in (down if kind in (Remove, Retire) else up)
            if isinstance(action, kind)
        )


@dataclass(frozen=True)
class _Status:
    wms: WmsStatus | Unknown
    batch: BatchStatus | Unknown
    site: SiteStatus | Unknown


def decide(config: Config, world: World, due: Collection[str]) -> Round:
    """Decide for the queues that are due, in the order of priority."""
    statuses = {queue.name: _read(queue, world) for queue in config.queues}
    ledger = Ledger(_total(statuses))
    decisions = []
    for queue in config.queues:
        if queue.name in due:
            decision = _decide(queue, statuses[queue.name], ledger, world)
            ledger = ledger.add(sum(a.n for a in decision.actions if isinstance(a, Submit)))
            decisions.append(decision)
    return Round(world.now, tuple(decisions))


def _total(statuses: Mapping[str, _Status]) -> int | Unknown:
    total = 0
    for name, status in statuses.items():
        if isinstance(status.batch, Unknown):
            return Unknown(f"queue {name}: {status.batch.reason}")
        total += status.batch.pending + status.batch.running
    return total


def _decide(queue: Queue, status: _Status, ledger: Ledger, world: World) -> Decision:
    stop = _stop(queue, world)
    if stop is not None:
        return Decision(queue.name, Chain(hold=stop), (), (), status.wms, status.batch, status.site)
    readings = _readings(queue, world)
    view = View(queue.name, world.now, status.wms, status.batch, status.site, ledger.total, readings)
    fault_ = world.faults.get(queue.name)
    chain = run_chain(queue.sched, view) if fault_ is None else Chain(hold=fault_)
    if chain.hold is None and isinstance(status.batch, Unknown):
        chain = Chain(chain.steps, Ask(), f"batch status unknown: {status.batch.reason}")
    plan = Plan()
    if isinstance(status.batch, BatchStatus):
        try:
            plan = checked_plan(queue.batchsubmit.plan(chain.ask, status.batch, world.memory, world.now), queue.name)
        except FAULTS as error:  # it stops its own queue only
            chain = Chain(chain.steps, Ask(), f"plugin {queue.batchsubmit.name} failed: {fault(error)}")
    partial = status.wms.partial if isinstance(status.wms, WmsStatus) else None
    notes = plan.notes if partial is None else (*plan.notes, f"some work may be unseen: {partial}")
    return Decision(queue.name, chain, plan.actions, notes, status.wms, status.batch, status.site)


def _stop(queue: Queue, world: World) -> str | None:
    if world.usurper is not None:
        return f"a newer factory with this id is at work: {world.usurper}; stop one of the two, or give it its own id"
    return world.paused.get(queue.name)


def _readings(queue: Queue, world: World) -> Readings:
    return Readings(world.now, world.readings, world.acted.get(queue.name, 0))


def _read(queue: Queue, world: World) -> _Status:
    readings = _readings(queue, world)
    wms: WmsStatus | Unknown = Unknown("the queue has no wmsstatusplugin")
    site: SiteStatus | Unknown = Unknown("the queue has no wmsstatusplugin")
    if queue.wmsstatus is not None:
        plugin = queue.wmsstatus
        wms = _guard(plugin, lambda: plugin.read(readings), WmsStatus)
        site = _guard(plugin, lambda: plugin.read_site(readings), SiteStatus)
    batch = _guard(queue.batchstatus, lambda: queue.batchstatus.read(readings, world.memory), BatchStatus)
    return _Status(wms, batch, site)


def _guard(plugin: Plugin, read: Callable[[], object], kind: type[T]) -> T | Unknown:
    """What a status plugin says; what it raises, or nonsense, is unknown and stops its own queue only."""
    try:
        return checked_status(read(), kind)
    except FAULTS as error:
        return Unknown(f"plugin {plugin.name} failed: {fault(error)}")
