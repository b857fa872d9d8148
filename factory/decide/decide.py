"""Decide one round for all queues that are due, by priority, through a ledger. Pure (rule 4)."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from factory.config.queues import Config, Queue
from factory.config.removed import template_queue
from factory.decide import cascade
from factory.decide.chain import Blocked, Cause, Chain, StepRecord, run_chain
from factory.decide.decision import Decision, Round
from factory.decide.plugin_answers import validate_plan, validate_status
from factory.model.actions import Action, Plan, Submit, Unretire
from factory.model.ask import Ask
from factory.model.ledger import Cost, Ledger
from factory.model.memory import Backoff
from factory.model.source import Readings
from factory.model.status import BatchStatus, SiteStatus, Unknown, WmsStatus
from factory.model.vm import counted
from factory.plugin.base import Plugin
from factory.plugin.sched import View
from factory.process.faults import FAULTS, fault
from factory.world.world import World

T = TypeVar("T")

BACKOFF = "Backoff"
"""Name of the step, taken by no plugin, that delays purchases after unclaimed VMs."""
_UNAUDITED = "its cloud has not been audited yet, and instances without a VM job count against the caps"


@dataclass(frozen=True)
class _Status:
    wms: WmsStatus | Unknown
    batch: BatchStatus | Unknown
    site: SiteStatus | Unknown


def decide(config: Config, world: World, due: Collection[str]) -> Round:
    """Return the round of the queues in ``due``, decided by priority.

    A queue of higher priority that shares jobs with a due queue decides too, so that its purchases count. Its actions
    are not part of the round.
    """
    statuses = {queue.name: _read(queue, world) for queue in config.all_queues}
    wms = {name: status.wms for name, status in statuses.items()}
    batch = {name: status.batch for name, status in statuses.items()}
    shared = cascade.start_cascade(config.queues, wms, batch, world.memory.fit, world.now, world.memory.health)
    ledger = Ledger(_total(statuses, world), _owned(config, statuses, world.orphans))
    decisions = []
    deciding = {*due, *cascade.also_decide(config.queues, due)}
    for queue in (queue for queue in config.queues if queue.name in deciding):
        decision = _contained(_decide, queue, statuses[queue.name], ledger, shared, world)
        shared = shared.after(queue.name, decision.chain, _gained(decision.actions), now=queue.name in due)
        if queue.name in due:
            bought = sum(a.n for a in decision.actions if isinstance(a, Submit))
            ledger = ledger.add(bought, _bought(queue, decision.actions))
            decisions.append(decision)
    winding_down = [queue for queue in config.winding_down if queue.name in due]
    decisions += [_contained(_wind_down, queue, statuses[queue.name], world) for queue in winding_down]
    return Round(world.now, tuple(decisions), shared.memory_after())


def _contained(part: Callable[..., Decision], queue: Queue, status: _Status, *rest: object) -> Decision:
    """Return a queue's part of the round; an unexpected error blocks this queue only."""
    try:
        return part(queue, status, *rest)
    except FAULTS as error:
        chain = Chain(blocked=Blocked(Cause.ERROR, f"unexpected error, see the log: {fault(error)}"))
        trace = "".join(traceback.format_exception(error))
        return Decision(queue.name, chain, (), (), status.wms, status.batch, status.site, broken=trace)


def _total(statuses: Mapping[str, _Status], world: World) -> int | Unknown:
    for name in sorted(world.unaudited):
        return Unknown(f"queue {name}: {_UNAUDITED}")
    total = sum(world.orphans.values())
    for name, status in statuses.items():
        if isinstance(status.batch, Unknown):
            return Unknown(f"queue {name}: {status.batch.reason}")
        batch = status.batch
        total += batch.pending + batch.running + batch.unaccounted - batch.orphans
    return total


def _owned(config: Config, statuses: Mapping[str, _Status], orphans: Mapping[str, int]) -> Counter[Cost]:
    template = template_queue(config)
    price = None if template is None else _cost(template, "").usd_per_hour
    owned: Counter[Cost] = Counter()
    for queue in config.all_queues:
        batch = statuses[queue.name].batch
        shapes = Counter(vm.shape for vm in batch.vms) if isinstance(batch, BatchStatus) else Counter()
        if isinstance(batch, BatchStatus):
            shapes[""] = batch.orphans
        for shape, n in (+shapes).items():
            owned[_cost(queue, shape)] += n
    gone = {name: n for name, n in orphans.items() if name not in statuses}  # of removed sections
    return owned + Counter({Cost(name, "", price): n for name, n in gone.items()})


def _gained(actions: Iterable[Action]) -> Counter[str]:
    """Return the number of VMs of each shape that are bought or unretired."""
    gained: Counter[str] = Counter()
    for action in actions:
        if isinstance(action, Submit):
            gained.update(str(shape) for shape in action.shapes)
        elif isinstance(action, Unretire):
            gained[action.vm.shape] += 1
    return gained


def _bought(queue: Queue, actions: Iterable[Action]) -> tuple[Cost, ...]:
    shapes = [str(shape) for action in actions if isinstance(action, Submit) for shape in action.shapes]
    costs = {shape: _cost(queue, shape) for shape in dict.fromkeys(shapes)}
    return tuple(costs[shape] for shape in shapes)


def _cost(queue: Queue, shape: str) -> Cost:
    try:
        return Cost(queue.name, shape, queue.batchsubmit.usd_per_hour(shape))
    except FAULTS:
        return Cost(queue.name, shape, None)


def _decide(queue: Queue, status: _Status, ledger: Ledger, shared: cascade.Cascade, world: World) -> Decision:
    stop = _stop(queue, world)
    if stop is not None:
        return Decision(queue.name, Chain(blocked=stop), (), (), status.wms, status.batch, status.site)
    readings = _readings(queue, world)
    share = shared.share(queue.name)

    def bought(ask: Ask) -> tuple[Cost, ...]:
        if isinstance(status.batch, Unknown):
            return ()
        return _bought(queue, _planned(queue, ask, status.batch, world).actions)

    view = View(
        queue=queue.name,
        now=world.now,
        wms_or_unknown=status.wms,
        batch_or_unknown=status.batch,
        site_or_unknown=status.site,
        total_or_unknown=ledger.total,
        readings=readings,
        share_or_unknown=share,
        owned=ledger.owned,
        bought=bought,
    )
    error = world.faults.get(queue.name)
    chain = run_chain(queue.sched, view) if error is None else Chain(blocked=Blocked(Cause.PLUGIN, error))
    if chain.blocked is None and isinstance(status.batch, Unknown):
        blocked = Blocked(Cause.UNKNOWN, f"batch status unknown: {status.batch.reason}")
        chain = Chain(chain.steps, Ask(), blocked)
    if chain.ask.n > 0 and queue.name in world.unaudited:
        chain = Chain(chain.steps, Ask(), Blocked(Cause.UNKNOWN, f"purchases wait: {_UNAUDITED}"))
    chain = _backed_off(chain, shared.memory.backoff.get(queue.name), world.now)
    chain, plan = _plan(queue, chain, status, world)
    partial = status.wms.partial if isinstance(status.wms, WmsStatus) else None
    notes = plan.notes if partial is None else (*plan.notes, f"some work may be unseen: {partial}")
    return Decision(queue.name, chain, plan.actions, notes, status.wms, status.batch, status.site, plan.health)


def _wind_down(queue: Queue, status: _Status, world: World) -> Decision:
    """Return the decision for a disabled or removed queue: the actions that its VMs need until they end."""
    stop = _stop(queue, world)
    cause, text = (Cause.DISABLED, "disabled") if queue.text else (Cause.REMOVED, "not configured")
    chain = Chain(blocked=stop or Blocked(cause, f"{text}: no purchases; its VMs end by their own limits"))
    plan = Plan()
    if stop is None:
        chain, plan = _plan(queue, chain, status, world)
    return Decision(queue.name, chain, plan.actions, plan.notes, None, status.batch, None, plan.health)


def _plan(queue: Queue, chain: Chain, status: _Status, world: World) -> tuple[Chain, Plan]:
    """Return the chain and the submit plugin's plan for its ask; the chain is blocked if the plugin fails."""
    if isinstance(status.batch, Unknown):
        return chain, Plan()
    try:
        return chain, _planned(queue, chain.ask, status.batch, world)
    except FAULTS as error:  # it stops its own queue only
        return Chain(chain.steps, Ask(), _failed(queue.batchsubmit, error)), Plan()


def _planned(queue: Queue, ask: Ask, batch: BatchStatus, world: World) -> Plan:
    return validate_plan(queue.batchsubmit.plan(ask, batch, world.memory, world.now), queue.name)


def _backed_off(chain: Chain, backoff: Backoff | None, now: float) -> Chain:
    """Return the chain with an empty ask during a backoff; a chain that uses job groups is not changed."""
    if backoff is None or now >= backoff.until or chain.ask.n <= 0 or chain.verdict is not None:
        return chain
    reason = (
        f"VMs retired without ever being claimed, {counted(backoff.times, 'time')} in a row; next purchase in "
        f"{backoff.until - now:.0f} s"
    )
    return Chain((*chain.steps, StepRecord(BACKOFF, chain.ask.n, 0, reason)), Ask())


def _failed(plugin: Plugin, error: BaseException) -> Blocked:
    return Blocked(Cause.PLUGIN, f"plugin {plugin.name} failed: {fault(error)}")


def _stop(queue: Queue, world: World) -> Blocked | None:
    if world.newer_factory is not None:
        text = (
            f"a newer factory with this id is at work ({world.newer_factory}); stop one of the two or give it another "
            "id; this one resumes after a restart, or when the VM jobs of the other are gone"
        )
        return Blocked(Cause.NEWER_FACTORY, text)
    paused = world.paused.get(queue.name)
    return None if paused is None else Blocked(Cause.PAUSED, paused)


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
    if isinstance(batch, BatchStatus):
        batch = _with_stuck_vms(queue, batch, world.now)
    if isinstance(batch, BatchStatus):
        batch = replace(batch, orphans=world.orphans.get(queue.name, 0), ending=world.ending.get(queue.name, 0))
    return _Status(wms, batch, site)


def _with_stuck_vms(queue: Queue, batch: BatchStatus, now: float) -> BatchStatus | Unknown:
    return _guard(queue.batchsubmit, lambda: queue.batchsubmit.mark_stuck(batch, now), BatchStatus)


def _guard(plugin: Plugin, read: Callable[[], object], kind: type[T]) -> T | Unknown:
    """Return the answer of a status plugin; unknown if it fails or is invalid, which blocks this queue only."""
    try:
        return validate_status(read(), kind)
    except FAULTS as error:
        return Unknown(f"plugin {plugin.name} failed: {fault(error)}")
