"""Choose the machines to buy for the remaining jobs, and their order. Pure.

Groups that request the same and may use the same shapes form one class.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter

import numpy as np

from factory.fit.packing.cheapest import find_cheapest
from factory.fit.packing.owner_turns import order_by_owner, share_out, sort_by_value
from factory.fit.packing.problem import PackingProblem, offer_costs
from factory.fit.packing.vectors import TINY, Floats, Vector, custom_resources, request_vector, rows, vector
from factory.model.demand import JobGroup, Offer, Room
from factory.model.shape import Shape

FEW = 400
"""With more different requests than this, requests are rounded up."""
_FINE = 32
"""Requests are rounded up by at most one part in this many."""


@dataclass(frozen=True)
class Purchase:
    """Machines to buy, the most valuable first, and the jobs that no offer can serve."""

    offers: tuple[Offer, ...] = ()
    """The offer of each machine, by value: caps cut from the end."""
    order: tuple[int, ...] = ()
    """The filling of each machine, as an index into ``fillings``."""
    fillings: tuple[tuple[tuple[int, int], ...], ...] = ()
    """(class, jobs on the machine)"""
    classes: tuple[tuple[JobGroup, ...], ...] = ()
    """The groups of each class."""
    left: Mapping[str, int] = field(default_factory=dict)
    """Group key → jobs to place."""
    unserved: Mapping[str, int] = field(default_factory=dict)
    """Group key → jobs that fit or match no offered shape."""

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The shape of each machine."""
        return tuple(map(attrgetter("shape"), self.offers))

    @property
    def cost(self) -> float:
        """Cost of all machines."""
        return sum(offer.cost * n for offer, n in self.numbers)

    @cached_property
    def numbers(self) -> tuple[tuple[Offer, int], ...]:
        """Each offer in the purchase, and its number of machines."""
        offers = {id(offer): offer for offer in self.offers}  # by id: tens of thousands of machines have a few offers
        return tuple((offers[key], n) for key, n in Counter(map(id, self.offers)).items())

    def covers(self, n: int) -> dict[str, int]:
        """Return group key → jobs on the first n machines; the groups of a class get equal parts."""
        return self._rooms(self.order[:n])

    def covered_by(self, gained: Mapping[str, int]) -> dict[str, int]:
        """Return group key → jobs on the most valuable machines, their number given by ``str(shape)``."""
        names = {id(offer): str(offer.shape) for offer, _ in self.numbers}
        left = {name: gained.get(name, 0) for name in names.values()}
        wanted, bought = sum(left.values()), list[int]()
        for filling, offer in zip(self.order, self.offers, strict=True):
            if wanted <= 0:
                break
            name = names[id(offer)]
            if left[name] > 0:
                left[name] -= 1
                wanted -= 1
                bought.append(filling)
        return self._rooms(bought)

    def _rooms(self, order: Iterable[int]) -> dict[str, int]:
        room = [0] * len(self.classes)
        for filling, count in Counter(order).items():
            for j, jobs in self.fillings[filling]:
                room[j] += jobs * count
        covered: dict[str, int] = {}
        for groups, jobs in zip(self.classes, room, strict=True):
            covered.update(share_out(jobs, {group.key: self.left[group.key] for group in groups}))
        return covered


def buy(
    groups: Sequence[JobGroup],
    left: Mapping[str, int],
    offers: Sequence[Offer],
    fits: Fits,
    have: Mapping[str, int] | None = None,
    ask_on: AskOn = lambda group, _: group.ask,
) -> Purchase:
    """Return the cheapest machines found for the remaining jobs.

    Args:
        groups: Groups of waiting jobs.
        left: Group key → jobs that have no room.
        offers: Shapes to choose from.
        fits: True if the jobs of a group run on a shape.
        have: ``str(shape)`` → machines that exist. Among shapes that differ only in zone or image, the rarest comes
            first.
        ask_on: Request of one job on a shape, for groups whose request varies.
    """
    waiting = sorted((g for g in groups if left.get(g.key, 0) > 0 and g.problem is None), key=lambda g: g.key)
    offers = sorted(
        offers, key=lambda offer: (not offer.shape.spot, str(offer.shape))
    )  # spot first if all else is equal
    custom = custom_resources(waiting)
    classes, unserved = _classes(waiting, offers, fits, custom, ask_on)
    classes = _one_market(classes, offers)
    unserved_jobs = {group.key: left[group.key] for group in unserved}
    if not classes:
        return Purchase(unserved=unserved_jobs)
    keys = sorted(classes)
    members = tuple(tuple(sorted(classes[key], key=lambda group: group.key)) for key in keys)
    counts = np.array([sum(left[g.key] for g in of_class) for of_class in members], dtype=np.int64)
    alike = _alike(offers, [key[1] for key in keys])
    problem = PackingProblem(
        asks=rows((key[0] for key in keys), custom),
        counts=counts,
        offers=[offers[same[0]] for same in alike],
        allowed=np.array([[same[0] in key[1] for same in alike] for key in keys]),
        custom=custom,
    )
    lots = sort_by_value(problem, find_cheapest(problem))
    order = order_by_owner(problem, lots, _shares(members, left))
    same = [[offers[i] for i in kind] for kind in alike]
    return Purchase(
        offers=tuple(_spread([same[lot.offer] for lot in lots], order, have or {})),
        order=tuple(order),
        fillings=tuple(lot.jobs for lot in lots),
        classes=members,
        left={group.key: left[group.key] for group in waiting},
        unserved=unserved_jobs,
    )


_Class = tuple[Vector, tuple[int, ...]]
"""(request of one job, offers that serve it)"""


def _classes(
    waiting: Sequence[JobGroup], offers: Sequence[Offer], fits: Fits, custom: Sequence[str], ask_on: AskOn
) -> tuple[dict[_Class, list[JobGroup]], list[JobGroup]]:
    classes: dict[_Class, list[JobGroup]] = defaultdict(list)
    unserved = []
    rooms = rows((vector(offer.room, custom) for offer in offers), custom)
    names = [str(offer.shape) for offer in offers]
    asks = rows((request_vector(group.least, custom) for group in waiting), custom)
    if waiting and len(np.unique(asks, axis=0)) > FEW:
        asks = _coarse(asks, rooms)
    roomy = np.asarray((asks[:, None, :] <= rooms[None, :, :] + TINY).all(axis=2))
    for row, (group, constant) in enumerate(zip(waiting, asks.tolist(), strict=True)):
        ask, allowed = tuple(constant), tuple(int(i) for i in np.flatnonzero(roomy[row]) if fits(group, names[i]))
        if group.varies:
            ask, allowed = _cheapest(group, [(i, ask_on(group, names[i])) for i in allowed], offers, custom)
        if allowed:
            classes[ask, allowed].append(group)
        else:
            unserved.append(group)
    return classes, unserved


def _cheapest(
    group: JobGroup, asks: Sequence[tuple[int, Room]], offers: Sequence[Offer], custom: Sequence[str]
) -> tuple[Vector, tuple[int, ...]]:
    """Return the request of a group whose request varies, and the offers that serve its jobs best with that request."""
    per_machine = offer_costs(offers)
    costs = {i: per_machine[i] / offers[i].room.times(ask) for i, ask in asks if offers[i].room.holds(ask)}
    if not costs:
        return request_vector(group.ask, custom), ()
    chosen = dict(asks)[min(costs, key=costs.__getitem__)]
    best = tuple(i for i, ask in asks if ask == chosen and costs.get(i) == min(costs.values()))
    return request_vector(chosen, custom), best


def _one_market(classes: dict[_Class, list[JobGroup]], offers: Sequence[Offer]) -> dict[_Class, list[JobGroup]]:
    """Drop the offers of one market if the other market serves the same classes at a lower price.

    Spot counts as cheaper unless both prices are known: an unknown price must not turn spot into on-demand.
    """
    serves = [{key for key in classes if i in key[1]} for i in range(len(offers))]
    twins: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for i, offer in enumerate(offers):
        twins[offer.shape.image, offer.shape.instance_type, offer.shape.zone].append(i)
    worse = set()
    for spot, on_demand in (pair for pair in twins.values() if len(pair) == 2):
        better, other = (on_demand, spot) if _cheaper(offers[on_demand], offers[spot]) else (spot, on_demand)
        if serves[other] <= serves[better]:
            worse.add(other)
    if not worse:
        return classes
    left: dict[_Class, list[JobGroup]] = defaultdict(list)
    for (ask, allowed), groups in classes.items():
        left[ask, tuple(i for i in allowed if i not in worse)] += groups
    return left


def _cheaper(one: Offer, other: Offer) -> bool:
    return one.price is not None and other.price is not None and one.price < other.price


def _coarse(asks: Floats, rooms: Floats) -> Floats:
    """Round requests up by at most 1/_FINE, except where fewer jobs would then fit on a machine."""
    step = np.exp2(np.floor(np.log2(np.maximum(asks, 1)))) / _FINE
    coarse = np.maximum(asks, np.where(asks >= _FINE, np.ceil(asks / step) * step, asks))
    per = [np.floor(rooms[:, None, d] / np.maximum(asks[None, :, d], TINY) + TINY) for d in range(asks.shape[1])]
    then = [np.floor(rooms[:, None, d] / np.maximum(coarse[None, :, d], TINY) + TINY) for d in range(asks.shape[1])]
    few = np.minimum.reduce(per)
    harmless = ((few == np.minimum.reduce(then)) | (few > _FINE / 4)).all(axis=0)
    return np.where(harmless[:, None], coarse, asks)


def _alike(offers: Sequence[Offer], allowed: Sequence[tuple[int, ...]]) -> list[list[int]]:
    """Group the offers of equal market, room and price that serve the same classes; drop those that serve none."""
    alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for i, offer in enumerate(offers):
        serves = tuple(i in of_class for of_class in allowed)
        if any(serves):
            alike[offer.shape.spot, offer.room, offer.price, serves].append(i)
    return list(alike.values())


def _shares(members: Sequence[Sequence[JobGroup]], left: Mapping[str, int]) -> list[dict[str, int]]:
    """Return the jobs of each owner in each class."""
    shares: list[dict[str, int]] = []
    for groups in members:
        of_class: dict[str, int] = defaultdict(int)
        for group in groups:
            of_class[group.owner] += left[group.key]
        shares.append(dict(of_class))
    return shares


def _spread(same: Sequence[Sequence[Offer]], order: Sequence[int], have: Mapping[str, int]) -> Iterable[Offer]:
    """Return the offer of each machine; among equal offers, each time the one with the fewest machines."""
    if all(len(offers) == 1 for offers in same):
        return map([offers[0] for offers in same].__getitem__, order)  # fast path for tens of thousands of machines
    number = Counter({str(offer.shape): have.get(str(offer.shape), 0) for offers in same for offer in offers})

    def rarest(i: int) -> Offer:
        offer = min(same[i], key=lambda offer: number[str(offer.shape)])
        number[str(offer.shape)] += 1
        return offer

    return map(rarest, order)


Fits = Callable[[JobGroup, str], bool]
"""True if the jobs of a group run on machines of a kind, or of a shape."""
AskOn = Callable[[JobGroup, str], Room]
"""Request of one job of a group on machines of a kind, or of a shape."""
