"""The packing problem of a purchase: classes of equal jobs, shapes on offer, and a lower bound on the cost. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from factory.fit.packing.relaxation import Relaxed, relax
from factory.fit.packing.vectors import TINY, Bools, Floats, Ints, binding, rows, vector
from factory.model.demand import Offer

_MICRO = 1e6


@dataclass(frozen=True, slots=True)
class Lot:
    """Equal machines to buy: their number, and the jobs on each."""

    offer: int
    count: int
    jobs: tuple[tuple[int, int], ...]
    """(class, jobs on each machine)"""


def offer_costs(offers: Sequence[Offer]) -> list[float]:
    """Return the cost of one machine of each offer: its price if all prices are known, else its cores."""
    if all(offer.price is not None for offer in offers):
        return [max(offer.cost, TINY) for offer in offers]
    return [max(offer.room.cpus, 1.0) for offer in offers]


@dataclass(frozen=True, eq=False)
class PackingProblem:
    """Jobs to place on new machines. All jobs of a class request the same and may use the same offers."""

    asks: Floats
    """One row for each class: cores, memory, disk, GPUs, custom resources."""
    counts: Ints
    """Jobs of each class."""
    offers: Sequence[Offer]
    allowed: Bools
    """(class, offer): a job of the class matches the shape, and fits into it."""
    custom: tuple[str, ...] = ()
    """Names of the custom resources."""

    @cached_property
    def rooms(self) -> Floats:
        """One row for each offer."""
        return rows((vector(offer.room, self.custom) for offer in self.offers), self.custom)

    @cached_property
    def costs(self) -> Floats:
        """Cost of one machine of each offer."""
        return np.array(offer_costs(self.offers))

    def binding(self, offer: int) -> list[int]:
        """Return the dimensions in which a machine of this offer can run out."""
        return sorted(binding(self.parts(offer)[self.allowed[:, offer]]))

    def parts(self, offer: int) -> Floats:
        """Return the requests of all classes in parts of a machine of this offer."""
        room = self.rooms[offer]
        return np.asarray(self.asks / np.where(room > 0, room, 1.0))

    @cached_property
    def single_class_cost(self) -> Floats:
        """Cost of a job of each class on machines of its own, of the offer where that is least."""
        shares = np.array([self.parts(i).max(axis=1) * self.costs[i] for i in range(len(self.offers))]).T
        return np.asarray(np.where(self.allowed, shares, np.inf).min(axis=1))

    @cached_property
    def relaxed(self) -> Relaxed:
        """The fractional solution: the least cost if machines were divisible, and the offers of the jobs."""
        return relax(self.counts, [self.parts(i) for i in range(len(self.offers))], self.costs, self.allowed)

    @cached_property
    def worth(self) -> Floats:
        """Cost of one job of each class in the fractional solution."""
        return self.relaxed.worth if len(self.offers) > 1 else self.single_class_cost

    @cached_property
    def bound(self) -> float:
        """A lower bound on the total cost, rounded up to a multiple of the common divisor of all costs."""
        return self.least_cost(self.counts)

    def least_cost(self, counts: Ints) -> float:
        """Return a lower bound on the cost of machines for these jobs, rounded up as ``bound``."""
        one = len(self.offers) == 1
        least = float((counts @ self.parts(0)).max() * self.costs[0]) if one else float(counts @ self.relaxed.worth)
        unit = self._unit
        return float(np.ceil(least / unit - 1e-6) * unit) if unit else least

    @cached_property
    def _unit(self) -> float:
        """The common divisor of all costs; 0 if there is none."""
        unit = float(np.gcd.reduce(np.rint(self.costs * _MICRO).astype(np.int64))) / _MICRO
        whole = unit > 0 and np.allclose(np.rint(self.costs / unit), self.costs / unit, rtol=0, atol=1e-6)
        return unit if whole else 0.0

    def cost(self, lots: Iterable[Lot]) -> float:
        """Return the cost of these machines."""
        return float(sum(self.costs[lot.offer] * lot.count for lot in lots))

    def covers(self, lots: Iterable[Lot]) -> Ints:
        """Return the jobs of each class on these machines."""
        covered: Counter[int] = Counter()
        for lot in lots:
            for j, n in lot.jobs:
                covered[j] += n * lot.count
        return np.array([covered[j] for j in range(len(self.counts))], dtype=np.int64)

    def cheaper(self, lot: Lot) -> Lot:
        """Return the lot on machines of the cheapest offer that holds its jobs."""
        classes = [j for j, _ in lot.jobs]
        load = np.array([n for _, n in lot.jobs]) @ self.asks[classes]
        holds = (self.rooms >= load - TINY).all(axis=1) & self.allowed[classes].all(axis=0)
        best = min(np.flatnonzero(holds), key=lambda i: (self.costs[i], i != lot.offer, i), default=lot.offer)
        return Lot(int(best), lot.count, lot.jobs)
