"""What one queue sees of a demand that several queues serve, and what it may conclude. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from factory.fit.packing.purchase import Purchase, buy
from factory.fit.pool_limits import Admitted, admitted
from factory.fit.stuck_groups import STUCK_S
from factory.fit.supply import Supply
from factory.model.demand import Demand, JobGroup, Machine, Offer, Room
from factory.model.memory import Waiting


@dataclass(frozen=True, eq=False)
class Share:
    """The part of a demand that is left for a queue: what neither machines nor queues before it cover."""

    supply: Supply
    offers: tuple[Offer, ...] = ()
    """What the queue may buy."""
    covered: Mapping[str, int] = field(default_factory=dict)
    """Group key → jobs for which queues before this one buy in this round."""
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    """What is remembered of the groups."""
    probes: tuple[str, ...] = ()
    """Groups for which queues before this one buy a probe in this round."""
    closed: str | None = None
    """A queue before this one does not know what it has, so that nothing is left for this one; and why."""

    @property
    def demand(self) -> Demand:
        """The demand that is shared."""
        return self.supply.demand

    @cached_property
    def stuck(self) -> dict[str, str]:
        """Group key → why nothing is bought for it, though no machine is missing."""
        return {key: seen.stuck for key, seen in self.waiting.items() if seen.stuck is not None}


@dataclass(frozen=True)
class FitSettings:
    """What a queue asks of machines and of jobs."""

    minlife_s: float = 0
    """Machines that end within this are not counted."""
    stuck_s: float = STUCK_S
    """Jobs that wait for so long in front of free room are stuck."""
    unmaterialised: bool = False
    """Whether to buy for jobs that the schedd has not made yet."""


@dataclass(frozen=True, eq=False)
class FitResult:
    """What a queue should buy, and which machines the waiting jobs need."""

    purchase: Purchase
    waiting: int = 0
    """Jobs that could use a machine, are within the pool's limits and are not stuck."""
    left: Mapping[str, int] = field(default_factory=dict)
    """Group key → jobs for which there is room nowhere, and for which nobody before this queue buys."""
    needed: frozenset[str] = frozenset()
    """APFVM of machines that waiting jobs can use."""
    free: Mapping[str, Mapping[str, Room]] = field(default_factory=dict)
    """Group key → machines in the pool with room for it, and what is free there."""
    ready: Mapping[str, int] = field(default_factory=dict)
    """Group key → jobs for which there is room on these machines."""
    coming: Mapping[str, int] = field(default_factory=dict)
    """Group key → jobs for which a machine is on its way, or bought by a queue before this one."""
    maybe: Mapping[str, int] = field(default_factory=dict)
    """Group key → jobs of which only a running machine can tell whether they would run."""
    probing: tuple[str, ...] = ()
    """Groups for which the purchase is a probe."""
    stuck: Mapping[str, str] = field(default_factory=dict)
    """Group key → why nothing is bought for it, though no machine is missing."""
    admitted: Admitted = field(default_factory=Admitted)
    """What the pool's limits leave of the groups."""
    stuck_s: float = STUCK_S


def plan_purchase(share: Share, terms: FitSettings) -> FitResult:
    """Place what waits on what is there or on its way; buy for the rest, but never for what is stuck."""
    supply = share.supply
    groups = [_whole(group, terms) for group in share.demand.groups if group.problem is None]
    within = admitted(groups, share.demand.limits)
    groups = [replace(group, count=n) for group in groups if (n := within.of(group)) > 0]
    able = [group for group in groups if group.key not in share.stuck]
    machines = supply.machines(terms.minlife_s)
    placed = supply.place(able, machines)
    left = {key: n - share.covered.get(key, 0) for key, n in placed.left.items() if n > share.covered.get(key, 0)}
    vm_of = {machine.name: machine.vm for machine in machines}
    in_pool = {machine.name: machine.free for machine in supply.demand.machines}
    ready = {key: sum(n for name, n in on.items() if name in in_pool) for key, on in placed.placed.items()}
    verdict = FitResult(
        Purchase(),
        waiting=sum(group.count for group in able),
        left=left,
        needed=frozenset(vm for name in placed.used if (vm := vm_of.get(name))),
        free={
            group.key: {name: in_pool[name] for name in placed.placed.get(group.key, ()) if name in in_pool}
            for group in share.demand.groups
        },
        ready=ready,
        coming={g.key: n for g in able if (n := g.count - left.get(g.key, 0) - ready.get(g.key, 0)) > 0},
        stuck=share.stuck,
        admitted=within,
        stuck_s=terms.stuck_s,
    )
    if share.closed is not None or not share.offers:
        return verdict
    purchase = buy(able, left, share.offers, lambda g, shape: supply.on_shape(g, shape).ok, supply.have())
    shapes = [str(offer.shape) for offer in share.offers]
    by_key = {group.key: group for group in able}
    maybe = {
        key: n
        for key, n in purchase.unserved.items()
        if any(supply.on_shape(by_key[key], shape).maybe for shape in shapes)
    }
    sure = {key: n for key, n in purchase.unserved.items() if key not in maybe}
    verdict = replace(verdict, purchase=replace(purchase, unserved=sure), maybe=maybe)
    return verdict if purchase.order else _probe(share, verdict, groups, machines)


def _whole(group: JobGroup, terms: FitSettings) -> JobGroup:
    return replace(group, count=group.count + group.unmaterialised) if terms.unmaterialised else group


def _probe(share: Share, verdict: FitResult, groups: Sequence[JobGroup], machines: Sequence[Machine]) -> FitResult:
    """One machine, where nothing else is bought, to find out more.

    For jobs of which only a running machine can tell, where no queue surely serves them and none of the shape is
    there; and for stuck jobs, where no room fits them any more. For the same group once an hour at most, but for stuck
    ones of which the negotiator says something new.
    """
    supply, now = share.supply, share.supply.now
    have = supply.have()

    def due(group: JobGroup) -> bool:
        seen = share.waiting.get(group.key)
        return group.key not in share.probes and (seen is None or now >= seen.probe_from)

    def unproven(group: JobGroup, shape: str) -> bool:
        return supply.on_shape(group, shape).maybe and not have.get(shape)

    def served(group: JobGroup, shape: str) -> bool:
        return supply.on_shape(group, shape).ok

    unsure = [g for g in groups if g.key in verdict.maybe and not supply.demand.surely_served(g.key)]
    maybe = [g for g in unsure if due(g)]
    stuck = [g for g in groups if g.key in share.stuck and due(g)]
    room = supply.place(stuck, machines).left if stuck else {}
    stuck = [group for group in stuck if room[group.key] == group.count]
    for candidates, fits in ((maybe, unproven), (stuck, served)):
        one = buy(candidates, {group.key: 1 for group in candidates}, share.offers, fits, have)
        if one.order:
            shape = str(one.offers[0].shape)
            first = replace(one, offers=one.offers[:1], order=one.order[:1], unserved=verdict.purchase.unserved)
            return replace(verdict, purchase=first, probing=tuple(g.key for g in candidates if fits(g, shape)))
    return verdict
