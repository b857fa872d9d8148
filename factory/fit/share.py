"""What one queue sees of a demand that several queues serve, and what it may conclude. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from factory.fit.buy import Purchase, buy
from factory.fit.model import Demand, JobGroup, Offer
from factory.fit.place import OnMachines
from factory.fit.supply import NO_MATCH, Supply
from factory.fit.waiting import PROBE_S, Waiting


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


@dataclass(frozen=True, eq=False)
class Verdict:
    """What a queue should buy, and which machines the waiting jobs need."""

    purchase: Purchase
    placed: OnMachines
    needed: frozenset[str]
    """APFVM of machines that waiting jobs can use."""
    probing: tuple[str, ...] = ()
    """Groups for which the purchase is a probe."""
    maybe: Mapping[str, int] = field(default_factory=dict)
    """Group key → jobs of which only a running machine can tell whether they would run."""


def judge(share: Share, minlife_s: float, now: float) -> Verdict:
    """Place what waits on what is there or on its way; buy for the rest, never for what is stuck."""
    supply = share.supply
    groups = [group for group in share.demand.groups if group.key not in share.stuck]
    placed = supply.place(groups, minlife_s)
    left = {key: n - share.covered.get(key, 0) for key, n in placed.left.items() if n > share.covered.get(key, 0)}
    names = {machine.name: machine.vm for machine in supply.machines(minlife_s)}
    needed = frozenset(vm for name in placed.used if (vm := names.get(name)))
    if share.closed is not None or share.demand.saturated is not None:
        return Verdict(Purchase(), placed, needed)
    purchase = buy(groups, left, share.offers, lambda g, shape: supply.on_shape(g, shape).ok, supply.have())
    maybe = {
        key: n
        for key, n in purchase.unserved.items()
        if any(share.demand.on_shapes.get((key, str(offer.shape)), NO_MATCH).maybe for offer in share.offers)
    }
    verdict = Verdict(
        replace(purchase, unserved={key: n for key, n in purchase.unserved.items() if key not in maybe}),
        placed,
        needed,
        maybe=maybe,
    )
    return verdict if purchase.order else _probe(share, verdict, minlife_s, now)


def _probe(share: Share, verdict: Verdict, minlife_s: float, now: float) -> Verdict:
    """One machine, where nothing else is bought: for a stuck group an hour after the last, for a *maybe* the first."""
    supply = share.supply
    have = supply.have()

    def due(group: JobGroup) -> bool:
        seen = share.waiting.get(group.key)
        return group.problem is None and (seen is None or now - max(seen.probed, seen.since) >= PROBE_S)

    def unproven(group: JobGroup, shape: str) -> bool:
        match = supply.demand.on_shapes.get((group.key, shape))
        return match is not None and match.maybe and not have.get(shape)

    stuck = [group for group in share.demand.groups if group.key in share.stuck and due(group)]
    left = supply.place(stuck, minlife_s).left
    stuck = [replace(group, count=1) for group in stuck if left.get(group.key) == group.count]
    maybe = [
        replace(group, count=1)
        for group in share.demand.groups
        if group.key in verdict.maybe and (group.key not in share.waiting or not share.waiting[group.key].probed or due(group))
    ]
    for groups, fits in ((maybe, unproven), (stuck, lambda g, shape: supply.on_shape(g, shape).ok)):
        one = buy(groups, {group.key: 1 for group in groups}, share.offers, fits, have)
        if one.order:
            first = replace(one, offers=one.offers[:1], order=one.order[:1])
            served = [g.key for g in groups if fits(g, str(first.offers[0].shape))]
            return replace(verdict, purchase=replace(first, unserved=verdict.purchase.unserved), probing=tuple(served))
    return verdict
