"""Share jobs between the queues that serve them, by priority. Pure.

All machines, and all VMs that are starting, are counted before any queue buys. Each queue then sees the jobs that
neither these nor the purchases of queues with higher priority cover. A paused or broken queue passes on all jobs that
its known VMs do not cover. A queue that is blocked because data are unknown passes on none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from factory.config.queues import Queue
from factory.decide.chain import Chain
from factory.fit.doubts import due_doubts, update_doubts
from factory.fit.learned import forget_queues, remember_facts, remember_rooms
from factory.fit.packing.vectors import custom_resources
from factory.fit.pool_limits import Admitted, apply_limits
from factory.fit.share import Share
from factory.fit.stuck_groups import mark_probed, mark_stuck, update_waiting
from factory.fit.supply import Supply
from factory.fit.unclaimed_vms import update_newcomers
from factory.health.breakers import blocked_shapes
from factory.model.demand import Demand, Offer, Room, Template
from factory.model.job_status import ON_MACHINE
from factory.model.memory import FitMemory, Health, Newcomer
from factory.model.model_facts import ModelFacts
from factory.model.status import BatchStatus, Unknown, WmsStatus
from factory.model.vm import RETIREMENT, VM
from factory.plugin.sched import Info
from factory.process.faults import FAULTS


@dataclass(frozen=True, eq=False)
class QueueDemand:
    """The demand, VMs and offers of one queue."""

    queue: Queue
    rank: int
    """Position by priority, from 0."""
    sources: frozenset[str]
    """Names of the work that it serves; queues with a common name share jobs."""
    demand: Demand | Unknown
    vms: tuple[VM, ...] | Unknown
    offers: tuple[Offer, ...] = ()
    blocked_shapes: frozenset[str] = frozenset()
    """Shapes that breakers block for now; jobs use the other shapes meanwhile."""

    @property
    def buyable(self) -> tuple[Offer, ...]:
        """The offers that are not blocked; all offers if all are, so that the purchase fails with the reason."""
        return tuple(offer for offer in self.offers if str(offer.shape) not in self.blocked_shapes) or self.offers


@dataclass(frozen=True, eq=False)
class Cascade:
    """The jobs that are shared, carried from queue to queue while a round is decided."""

    demands: Mapping[str, QueueDemand]
    """By name of the queue; queues whose chain uses no job groups are missing."""
    memory: FitMemory
    now: float
    covered: Mapping[str, int] = field(default_factory=dict)
    """Group key → jobs for which VMs are bought in this round."""
    free: Mapping[str, Mapping[str, Room]] = field(default_factory=dict)
    """Group key → machines in the pool with room for it, and their free room."""
    probes: tuple[str, ...] = ()
    """Groups for which a VM is bought as a probe."""
    stuck_s: Mapping[str, float] = field(default_factory=dict)
    """Group key → seconds beside free room after which it is stuck: the longest time that a queue sets."""
    useless: frozenset[str] = frozenset()
    """VMs that retire beside purchases, as no waiting job can use them."""
    blocked: Mapping[str, str] = field(default_factory=dict)
    """Queues that are blocked because data are unknown, and the reason."""

    def share(self, queue: str) -> Share | Unknown:
        """Return the jobs that are left for this queue."""
        mine = self.demands.get(queue)
        if mine is None:
            return Unknown("no plugin of its chain uses job groups")
        if isinstance(mine.demand, Unknown):
            return mine.demand
        sharing = [other for other in self.demands.values() if other.sources & mine.sources]
        supply = Supply(
            demand=mine.demand,
            vms=tuple((other.rank, vm) for other in sharing if isinstance(other.vms, tuple) for vm in other.vms),
            offers={str(offer.shape): offer for other in sharing for offer in other.offers},
            now=self.now,
            queue=queue,
        )
        closed = self._closed(mine, sharing)
        due = due_doubts(self.memory.doubts, queue, self.now)
        return Share(supply, mine.buyable, self.covered, self.memory.waiting, self.probes, due, closed)

    def _closed(self, mine: QueueDemand, sharing: Sequence[QueueDemand]) -> str | None:
        """Return a reason if a queue of higher priority passes on no jobs, because its data are unknown."""
        for other in sharing:
            if other.rank < mine.rank:
                unknown = [value.reason for value in (other.vms, other.demand) if isinstance(value, Unknown)]
                unknown += [self.blocked[other.queue.name]] if other.queue.name in self.blocked else []
                if unknown:
                    return f"queue {other.queue.name} has priority and is blocked: {unknown[0]}"
        return None

    def after(self, queue: str, chain: Chain, gained: Mapping[str, int], now: bool) -> Cascade:
        """Return the cascade after a queue has decided.

        Args:
            queue: Name of the queue.
            chain: Its decided chain.
            gained: VMs of each shape that it buys or unretires.
            now: True if that is done in this round; False if the queue is not due.
        """
        if chain.unknown:
            return replace(self, blocked={**self.blocked, queue: chain.reason})
        verdict = chain.verdict
        if verdict is None:
            return self
        covered = dict(self.covered)
        if not verdict.probing:
            for key, jobs in verdict.purchase.covered_by(gained).items():
                covered[key] = covered.get(key, 0) + jobs
        doubted = verdict.doubted if now and any(gained.values()) else None
        patience = {key: max(verdict.stuck_s, self.stuck_s.get(key, 0)) for key in verdict.free}
        return replace(
            self,
            covered=covered,
            free={**verdict.free, **self.free},
            probes=self.probes + (verdict.probing if now and any(gained.values()) else ()),
            stuck_s={**self.stuck_s, **patience},
            useless=self.useless.union(chain.ask.victims if verdict.purchase.order else ()),
            memory=replace(
                self.memory,
                stuck_s={**self.memory.stuck_s, queue: verdict.stuck_s},
                doubts=update_doubts(self.memory.doubts, queue, verdict.doubts, doubted, self.now),
            ),
        )

    def memory_after(self) -> FitMemory:
        """Return the memory for the next round; groups that no queue looked at in this round stay as they were."""
        entries = self.demands.values()
        demands = [entry.demand for entry in entries if isinstance(entry.demand, Demand)]
        groups = {group.key: group for demand in demands for group in demand.groups if group.key in self.free}
        running = _running(demands)
        waiting = update_waiting(self.memory.waiting, groups.values(), self.free, running, self.now, self.stuck_s)
        unread = any(isinstance(entry.demand, Unknown) or entry.demand.partial for entry in entries)
        kept = {key: seen for key, seen in self.memory.waiting.items() if unread or key in running}
        return replace(
            self.memory,
            waiting=mark_probed({**kept, **waiting}, self.probes, self.now),
            useless=self.useless | (self.memory.useless & self._retiring()),
        )

    def _retiring(self) -> set[str]:
        vms = [entry.vms for entry in self.demands.values() if isinstance(entry.vms, tuple)]
        return {vm.uuid for of_queue in vms for vm in of_queue if vm.state in RETIREMENT}


def _running(demands: Iterable[Demand]) -> dict[str, int]:
    """Return the running jobs of the work that each group belongs to, by key of the group."""
    running: dict[str, int] = {}
    for demand in demands:
        jobs = sum(demand.others.get(status, 0) for status in ON_MACHINE)
        running.update(dict.fromkeys([group.key for group in demand.groups], jobs))
    return running


NO_GROUPS = Unknown("the WMS status has no job groups")


def start_cascade(
    queues: Sequence[Queue],
    wms: Mapping[str, WmsStatus | Unknown],
    batch: Mapping[str, BatchStatus | Unknown],
    memory: FitMemory,
    now: float,
    health: Mapping[str, Health] = MappingProxyType({}),
) -> Cascade:
    """Return the cascade before the first queue decides.

    Args:
        queues: All queues, by priority.
        wms: WMS status of each queue.
        batch: Batch status of each queue.
        memory: The memory of the last round.
        now: Epoch of this round.
        health: Breakers of each queue.
    """
    demands = {}
    for rank, queue in enumerate(queues):
        status, work = batch[queue.name], wms[queue.name]
        if isinstance(status, BatchStatus):
            waits = isinstance(work, Unknown) or work.ready > 0
            memory, never_claimed = update_newcomers(memory, queue.name, status.vms, waits, now)
            memory = _mark_unserved(memory, never_claimed, work, now)
        if _uses_job_groups(queue):
            demand = work if isinstance(work, Unknown) else work.demand or NO_GROUPS
            vms = status if isinstance(status, Unknown) else status.vms
            if isinstance(demand, Demand) and isinstance(vms, tuple):
                models = {template.model for template in _templates(queue)}
                memory = remember_facts(remember_rooms(memory, demand, vms), demand, vms, queue.name, models)
            offers = _offers(queue, memory, demand)
            shapes = {str(offer.shape) for offer in offers}
            known_vms = vms if isinstance(vms, tuple) else ()
            blocked = blocked_shapes(health.get(queue.name, Health()), shapes, known_vms, now)
            demands[queue.name] = QueueDemand(queue, rank, _sources(queue), demand, vms, offers, blocked)
    configured = {queue.name for queue in queues}
    return Cascade(demands, forget_queues(memory, configured), now)


def also_decide(queues: Sequence[Queue], due: Collection[str]) -> set[str]:
    """Return queues that decide too because a due queue of lower priority shares jobs with them."""
    sharing = [(queue.name, _sources(queue)) for queue in queues if _uses_job_groups(queue)]
    return {
        name
        for i, (name, sources) in enumerate(sharing)
        if any(other in due and sources & others for other, others in sharing[i + 1 :])
    }


def _uses_job_groups(queue: Queue) -> bool:
    return any(Info.DEMAND in plugin.needs for plugin in queue.sched)


def _mark_unserved(
    memory: FitMemory, never_claimed: Sequence[Newcomer], work: WmsStatus | Unknown, now: float
) -> FitMemory:
    """Mark groups as stuck that waited while VMs that fit them joined and retired unclaimed.

    Groups that a known limit of the pool holds back are not marked.
    """
    demand = None if isinstance(work, Unknown) else work.demand
    if demand is None:
        return memory
    waiting, admitted = memory.waiting, apply_limits(demand.groups, demand.limits) if never_claimed else Admitted()
    for newcomer in never_claimed:
        keys = [
            group.key
            for group in demand.groups
            if admitted.of(group) > 0
            and (match := demand.on_shape(group.key, newcomer.queue, newcomer.shape)) is not None
            and (match.ok or match.maybe)
        ]
        waiting = mark_stuck(waiting, keys, newcomer.joined, now)
    return replace(memory, waiting=waiting)


def _offers(queue: Queue, memory: FitMemory, demand: Demand | Unknown) -> tuple[Offer, ...]:
    """Return the offers of a queue; none if its plugin fails, which stops the purchases of this queue only."""
    try:
        offers = tuple(queue.batchsubmit.offers(memory.rooms))
    except FAULTS:
        return ()
    names = () if isinstance(demand, Unknown) else custom_resources(demand.groups)
    if not names:
        return offers
    facts = {template.shape: memory.facts.get(template.model, ModelFacts()) for template in _templates(queue)}

    def with_custom(offer: Offer) -> Offer:
        known = facts.get(str(offer.shape))
        return offer if known is None else replace(offer, room=replace(offer.room, custom=known.amounts(names)))

    return tuple(map(with_custom, offers))


def _templates(queue: Queue) -> tuple[Template, ...]:
    return (queue.wmsstatus.templates if queue.wmsstatus else None) or ()


def _sources(queue: Queue) -> frozenset[str]:
    try:
        return queue.wmsstatus.shares() if queue.wmsstatus else frozenset()
    except FAULTS:
        return frozenset()
