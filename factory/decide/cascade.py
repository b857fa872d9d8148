"""Queues that serve the same jobs share them, in the order of priority. Pure.

All machines and all VMs on their way count before anyone buys. A queue then sees what they and the queues before it do
not cover: with what those have, and with what they are allowed to buy in this round. A queue that is paused or broken
passes on all that its known VMs do not cover; one that is blocked because something is unknown passes on nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from factory.config.queues import Queue
from factory.decide.chain import Chain
from factory.fit.pool_limits import Admitted, apply_limits
from factory.fit.share import Share
from factory.fit.stuck_groups import mark_probed, mark_stuck, update_waiting
from factory.fit.supply import Supply
from factory.fit.unclaimed_vms import update_newcomers
from factory.health.breakers import blocked_shapes
from factory.model.demand import Demand, Offer, Room
from factory.model.job_status import ON_MACHINE
from factory.model.memory import FitMemory, Health, Newcomer
from factory.model.status import BatchStatus, Unknown, WmsStatus
from factory.model.vm import RETIREMENT, VM
from factory.plugin.sched import Info
from factory.process.faults import FAULTS


@dataclass(frozen=True, eq=False)
class QueueDemand:
    """A queue as far as it shares jobs with others."""

    queue: Queue
    rank: int
    sources: frozenset[str]
    """Names of the work that it serves: queues with one in common share jobs."""
    demand: Demand | Unknown
    vms: tuple[VM, ...] | Unknown
    offers: tuple[Offer, ...] = ()
    refused: frozenset[str] = frozenset()
    """Shapes that are not bought for now; where others are left, jobs turn to these."""

    @property
    def buyable(self) -> tuple[Offer, ...]:
        """What it may buy now; all of it, if it is nothing, so that the reason is found where it belongs."""
        return tuple(offer for offer in self.offers if str(offer.shape) not in self.refused) or self.offers


@dataclass(frozen=True, eq=False)
class Cascade:
    """Carried from queue to queue while a round is decided."""

    parties: Mapping[str, QueueDemand]
    memory: FitMemory
    now: float
    covered: Mapping[str, int] = field(default_factory=dict)
    """Group key → jobs for which machines are bought in this round."""
    free: Mapping[str, Mapping[str, Room]] = field(default_factory=dict)
    """Group key → machines in the pool with room for it, and what is free there."""
    probes: tuple[str, ...] = ()
    """Groups for which a machine is bought to find out more."""
    stuck_s: Mapping[str, float] = field(default_factory=dict)
    """Group key → after how long in front of free room it is stuck: the most that a queue says."""
    useless: frozenset[str] = frozenset()
    """VMs that are to leave beside what is bought."""
    blocked: Mapping[str, str] = field(default_factory=dict)
    """Queues that decided nothing since something is not known, and what."""

    def share(self, queue: str) -> Share | Unknown:
        """What of the jobs is left for this queue."""
        party = self.parties.get(queue)
        if party is None:
            return Unknown("its chain looks at no groups of jobs")
        if isinstance(party.demand, Unknown):
            return party.demand
        near = [other for other in self.parties.values() if other.sources & party.sources]
        supply = Supply(
            demand=party.demand,
            vms=tuple((other.rank, vm) for other in near if isinstance(other.vms, tuple) for vm in other.vms),
            offers={str(offer.shape): offer for other in near for offer in other.offers},
            now=self.now,
            queue=queue,
        )
        closed = self._closed(party, near)
        return Share(supply, party.buyable, self.covered, self.memory.waiting, self.probes, closed)

    def _closed(self, party: QueueDemand, near: Sequence[QueueDemand]) -> str | None:
        """Which queue before this one does not know what it has, or what it may buy: it passes on nothing."""
        for other in near:
            if other.rank < party.rank:
                unknown = [what.reason for what in (other.vms, other.demand) if isinstance(what, Unknown)]
                unknown += [self.blocked[other.queue.name]] if other.queue.name in self.blocked else []
                if unknown:
                    return f"queue {other.queue.name} comes first and is blocked: {unknown[0]}"
        return None

    def after(self, queue: str, chain: Chain, gained: Mapping[str, int], now: bool) -> Cascade:
        """The cascade after a queue has decided.

        ``gained``: machines of each shape that it buys or takes back, now or when it is due.
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
        patience = {key: max(verdict.stuck_s, self.stuck_s.get(key, 0)) for key in verdict.free}
        return replace(
            self,
            covered=covered,
            free={**verdict.free, **self.free},
            probes=self.probes + (verdict.probing if now and any(gained.values()) else ()),
            stuck_s={**self.stuck_s, **patience},
            useless=self.useless.union(chain.ask.victims if verdict.purchase.order else ()),
            memory=replace(self.memory, stuck_s={**self.memory.stuck_s, queue: verdict.stuck_s}),
        )

    def remembered(self) -> FitMemory:
        """What the next round should know. Of jobs that nobody looked at this time all stays as it was."""
        demands = [party.demand for party in self.parties.values() if isinstance(party.demand, Demand)]
        groups = {group.key: group for demand in demands for group in demand.groups if group.key in self.free}
        running: dict[str, int] = {}
        for demand in demands:
            run = sum(demand.others.get(status, 0) for status in ON_MACHINE)
            running.update(dict.fromkeys([group.key for group in demand.groups], run))
        waiting = update_waiting(self.memory.waiting, groups.values(), self.free, running, self.now, self.stuck_s)
        unread = any(isinstance(party.demand, Unknown) or party.demand.partial for party in self.parties.values())
        kept = {key: seen for key, seen in self.memory.waiting.items() if unread or key in running}
        vms = [party.vms for party in self.parties.values() if isinstance(party.vms, tuple)]
        leaving = {vm.uuid for of_queue in vms for vm in of_queue if vm.state in RETIREMENT}
        return replace(
            self.memory,
            waiting=mark_probed({**kept, **waiting}, self.probes, self.now),
            useless=self.useless | (self.memory.useless & leaving),
        )


NO_GROUPS = Unknown("the WMS status names no groups of jobs")


def start_cascade(
    queues: Sequence[Queue],
    wms: Mapping[str, WmsStatus | Unknown],
    batch: Mapping[str, BatchStatus | Unknown],
    memory: FitMemory,
    now: float,
    health: Mapping[str, Health] = MappingProxyType({}),
) -> Cascade:
    """The cascade before the first queue."""
    parties = {}
    for rank, queue in enumerate(queues):
        has = batch[queue.name]
        if isinstance(has, BatchStatus):
            work = wms[queue.name]
            waits = isinstance(work, Unknown) or work.ready > 0
            memory, in_vain = update_newcomers(memory, queue.name, has.vms, waits, now)
            memory = _in_vain(memory, in_vain, work, now)
        if _looks(queue):
            work = wms[queue.name]
            demand = work if isinstance(work, Unknown) else work.demand or NO_GROUPS
            vms = has if isinstance(has, Unknown) else has.vms
            memory = _sizes(memory, demand, vms)
            offers = _offers(queue, memory)
            shapes = {str(offer.shape) for offer in offers}
            no = blocked_shapes(health.get(queue.name, Health()), shapes, vms if isinstance(vms, tuple) else (), now)
            parties[queue.name] = QueueDemand(queue, rank, _sources(queue), demand, vms, offers, no)
    return Cascade(parties, memory, now)


def also_decide(queues: Sequence[Queue], due: Collection[str]) -> set[str]:
    """Queues that decide because one after them that shares jobs with them is due: what they may buy counts."""
    looking = [(queue.name, _sources(queue)) for queue in queues if _looks(queue)]
    return {
        name
        for i, (name, sources) in enumerate(looking)
        if any(other in due and sources & others for other, others in looking[i + 1 :])
    }


def _looks(queue: Queue) -> bool:
    return any(Info.DEMAND in plugin.needs for plugin in queue.sched)


def _in_vain(memory: FitMemory, left: Sequence[Newcomer], work: WmsStatus | Unknown, now: float) -> FitMemory:
    """Groups that waited while machines that they could have used came and left are stuck, but for a known limit."""
    demand = None if isinstance(work, Unknown) else work.demand
    if demand is None:
        return memory
    waiting, within = memory.waiting, apply_limits(demand.groups, demand.limits) if left else Admitted()
    for newcomer in left:
        keys = [
            group.key
            for group in demand.groups
            if within.of(group) > 0
            and (match := demand.on_shape(group.key, newcomer.queue, newcomer.shape)) is not None
            and (match.ok or match.maybe)
        ]
        waiting = mark_stuck(waiting, keys, newcomer.joined, now)
    return replace(memory, waiting=waiting)


def _sizes(memory: FitMemory, demand: Demand | Unknown, vms: tuple[VM, ...] | Unknown) -> FitMemory:
    """Rooms by shape, as the startds have them."""
    if isinstance(demand, Unknown) or isinstance(vms, Unknown):
        return memory
    shapes = {vm.uuid: vm.shape for vm in vms}
    slots = Counter(machine.vm for machine in demand.machines)
    seen = {
        shapes[machine.vm]: machine.total
        for machine in sorted(demand.machines, key=lambda machine: machine.name)
        if machine.vm in shapes and slots[machine.vm] == 1
    }
    return replace(memory, rooms={**memory.rooms, **seen})


def _offers(queue: Queue, memory: FitMemory) -> tuple[Offer, ...]:
    """What it may buy; a plugin's fault stops its own queue only, which then buys nothing."""
    try:
        return tuple(queue.batchsubmit.offers(memory.rooms))
    except FAULTS:
        return ()


def _sources(queue: Queue) -> frozenset[str]:
    try:
        return queue.wmsstatus.shares() if queue.wmsstatus else frozenset()
    except FAULTS:
        return frozenset()
