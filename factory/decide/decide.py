"""One decision for all queues that are due: a fold over the queues through a ledger. Pure (rule 4)."""

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
from factory.plugin.base import Plugin
from factory.plugin.sched import View
from factory.process.faults import FAULTS, fault
from factory.world.world import World

T = TypeVar("T")

BACKOFF = "Backoff"
"""Name of the step that no plugin took."""
_UNASKED = "its cloud has not been asked yet for instances without a VM job, which count against the caps"


@dataclass(frozen=True)
class _Status:
    wms: WmsStatus | Unknown
    batch: BatchStatus | Unknown
    site: SiteStatus | Unknown


def decide(config: Config, world: World, due: Collection[str]) -> Round:
    """Decide for the queues that are due, in the order of priority.

    A queue that is not due and shares jobs with one that is decides too, so that the other knows what it may leave to
    it; nothing of that is done now.
    """
    statuses = {queue.name: _read(queue, world) for queue in config.all_queues}
    wms = {name: status.wms for name, status in statuses.items()}
    batch = {name: status.batch for name, status in statuses.items()}
    shared = cascade.start_cascade(config.queues, wms, batch, world.memory.fit, world.now, world.memory.health)
    ledger = Ledger(_total(statuses, world), _owned(config, statuses, world.orphans))
    decisions = []
    deciding = {*due, *cascade.also_decide(config.queues, due)}
    for queue in (queue for queue in config.queues if queue.name in deciding):
        decision = _unbroken(_decide, queue, statuses[queue.name], ledger, shared, world)
        shared = shared.after(queue.name, decision.chain, _gained(decision.actions), now=queue.name in due)
        if queue.name in due:
            bought = sum(a.n for a in decision.actions if isinstance(a, Submit))
            ledger = ledger.add(bought, _bought(queue, decision.actions))
            decisions.append(decision)
    tended = [queue for queue in config.winding_down if queue.name in due]
    decisions += [_unbroken(_tend, queue, statuses[queue.name], world) for queue in tended]
    return Round(world.now, tuple(decisions), shared.remembered())


def _unbroken(part: Callable[..., Decision], queue: Queue, status: _Status, *rest: object) -> Decision:
    """A queue's part of the round; an error of our own in it stops this queue only."""
    try:
        return part(queue, status, *rest)
    except FAULTS as error:
        chain = Chain(blocked=Blocked(Cause.ERROR, f"unexpected error, see the log: {fault(error)}"))
        where = "".join(traceback.format_exception(error))
        return Decision(queue.name, chain, (), (), status.wms, status.batch, status.site, broken=where)


def _total(statuses: Mapping[str, _Status], world: World) -> int | Unknown:
    for name in sorted(world.unasked):
        return Unknown(f"queue {name}: {_UNASKED}")
    total = sum(world.orphans.values())
    for name, status in statuses.items():
        if isinstance(status.batch, Unknown):
            return Unknown(f"queue {name}: {status.batch.reason}")
        batch = status.batch
        total += batch.pending + batch.running + batch.unaccounted - batch.orphans
    return total


def _owned(config: Config, statuses: Mapping[str, _Status], orphans: Mapping[str, int]) -> Counter[Cost]:
    like = template_queue(config)
    price = None if like is None else _cost(like, "").usd_per_hour
    owned: Counter[Cost] = Counter()
    for queue in config.all_queues:
        batch = statuses[queue.name].batch
        shapes = Counter(vm.shape for vm in batch.vms) if isinstance(batch, BatchStatus) else Counter()
        if isinstance(batch, BatchStatus):
            shapes[""] = batch.orphans
        for shape, n in (+shapes).items():
            owned[_cost(queue, shape)] += n
    gone = {name: n for name, n in orphans.items() if name not in statuses}  # of sections that are not there any more
    return owned + Counter({Cost(name, "", price): n for name, n in gone.items()})


def _gained(actions: Iterable[Action]) -> Counter[str]:
    """Machines of each shape that are bought or taken back."""
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
        known = status.batch
        made = queue.batchsubmit.plan(ask, known, world.memory, world.now) if isinstance(known, BatchStatus) else Plan()
        return _bought(queue, validate_plan(made, queue.name).actions)

    view = View(
        queue.name,
        world.now,
        status.wms,
        status.batch,
        status.site,
        ledger.total,
        readings,
        share,
        ledger.owned,
        bought,
    )
    fault_ = world.faults.get(queue.name)
    chain = run_chain(queue.sched, view) if fault_ is None else Chain(blocked=Blocked(Cause.PLUGIN, fault_))
    if chain.blocked is None and isinstance(status.batch, Unknown):
        blocked = Blocked(Cause.UNKNOWN, f"batch status unknown: {status.batch.reason}")
        chain = Chain(chain.steps, Ask(), blocked)
    if chain.ask.n > 0 and queue.name in world.unasked:
        chain = Chain(chain.steps, Ask(), Blocked(Cause.UNKNOWN, f"nothing is bought: {_UNASKED}"))
    chain = _backed_off(chain, shared.memory.backoff.get(queue.name), world.now)
    plan = Plan()
    if isinstance(status.batch, BatchStatus):
        try:
            plan = validate_plan(queue.batchsubmit.plan(chain.ask, status.batch, world.memory, world.now), queue.name)
        except FAULTS as error:  # it stops its own queue only
            chain = Chain(chain.steps, Ask(), _failed(queue.batchsubmit, error))
    partial = status.wms.partial if isinstance(status.wms, WmsStatus) else None
    notes = plan.notes if partial is None else (*plan.notes, f"some work may be unseen: {partial}")
    return Decision(queue.name, chain, plan.actions, notes, status.wms, status.batch, status.site, plan.health)


def _tend(queue: Queue, status: _Status, world: World) -> Decision:
    """A queue that does not run: what its machines need to come to their end."""
    stop = _stop(queue, world)
    cause, what = (Cause.DISABLED, "disabled") if queue.text else (Cause.REMOVED, "not configured")
    chain = Chain(blocked=stop or Blocked(cause, f"{what}: nothing is bought; its VMs end by their own limits"))
    plan = Plan()
    if stop is None and isinstance(status.batch, BatchStatus):
        try:
            plan = validate_plan(queue.batchsubmit.plan(Ask(), status.batch, world.memory, world.now), queue.name)
        except FAULTS as error:  # it stops its own queue only
            chain = Chain(blocked=_failed(queue.batchsubmit, error))
    return Decision(queue.name, chain, plan.actions, plan.notes, None, status.batch, None, plan.health)


def _backed_off(chain: Chain, backoff: Backoff | None, now: float) -> Chain:
    """The chain, asking for nothing while its machines come in vain; one that sees job groups knows better."""
    if backoff is None or now >= backoff.until or chain.ask.n <= 0 or chain.verdict is not None:
        return chain
    reason = (
        f"machines came and were retired without ever being claimed, {backoff.times} times in a row: "
        f"nothing is bought for {backoff.until - now:.0f} s"
    )
    return Chain((*chain.steps, StepRecord(BACKOFF, chain.ask.n, 0, reason)), Ask())


def _failed(plugin: Plugin, error: BaseException) -> Blocked:
    return Blocked(Cause.PLUGIN, f"plugin {plugin.name} failed: {fault(error)}")


def _stop(queue: Queue, world: World) -> Blocked | None:
    if world.usurper is not None:
        text = (
            f"a newer factory with this id is at work: {world.usurper}; stop one of the two, or give it its own id; "
            "this one goes on when the VM jobs of the other are gone, or after a restart"
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
        batch = _judged(queue, batch, world.now)
    if isinstance(batch, BatchStatus):
        batch = replace(batch, orphans=world.orphans.get(queue.name, 0))
    return _Status(wms, batch, site)


def _judged(queue: Queue, batch: BatchStatus, now: float) -> BatchStatus | Unknown:
    return _guard(queue.batchsubmit, lambda: queue.batchsubmit.judged(batch, now), BatchStatus)


def _guard(plugin: Plugin, read: Callable[[], object], kind: type[T]) -> T | Unknown:
    """What a status plugin says; what it raises, or nonsense, is unknown and stops its own queue only."""
    try:
        return validate_status(read(), kind)
    except FAULTS as error:
        return Unknown(f"plugin {plugin.name} failed: {fault(error)}")
