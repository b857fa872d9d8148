"""What a purchase has to solve: classes of equal jobs, the shapes on offer, and what cannot be undercut. Pure."""

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
    """So many equal machines to buy, and the jobs that each is bought for."""

    offer: int
    count: int
    jobs: tuple[tuple[int, int], ...]
    """(class, jobs on each machine)"""


@dataclass(frozen=True, eq=False)
class PackingProblem:
    """Jobs to place on new machines. All jobs of a class ask for the same and may use the same offers."""

    asks: Floats
    """One row for each class: cores, memory, disk, GPUs."""
    counts: Ints
    """Jobs of each class."""
    offers: Sequence[Offer]
    allowed: Bools
    """(class, offer): a job of the class matches the shape, and fits into it."""

    @cached_property
    def rooms(self) -> Floats:
        """One row for each offer."""
        return rows(vector(offer.room) for offer in self.offers)

    @cached_property
    def costs(self) -> Floats:
        """Cost of one machine of each offer: prices if all are known, else cores."""
        if all(offer.price is not None for offer in self.offers):
            return np.array([max(offer.cost, TINY) for offer in self.offers])
        return np.array([max(offer.room.cpus, 1.0) for offer in self.offers])

    def binding(self, offer: int) -> list[int]:
        """Dimensions in which a machine of this offer can run out."""
        return sorted(binding(self.parts(offer)[self.allowed[:, offer]]))

    def parts(self, offer: int) -> Floats:
        """Asks in parts of a machine of this offer."""
        room = self.rooms[offer]
        return np.asarray(self.asks / np.where(room > 0, room, 1.0))

    @cached_property
    def fluid(self) -> Floats:
        """Cost of a job of each class that has machines for itself: of the offer where that is least."""
        shares = np.array([self.parts(i).max(axis=1) * self.costs[i] for i in range(len(self.offers))]).T
        return np.asarray(np.where(self.allowed, shares, np.inf).min(axis=1))

    @cached_property
    def relaxed(self) -> Relaxed:
        """The least cost if machines could be cut like cloth, and where the jobs go then."""
        return relax(self.counts, [self.parts(i) for i in range(len(self.offers))], self.costs, self.allowed)

    @cached_property
    def worth(self) -> Floats:
        """What one job of each class would cost if machines could be cut like cloth."""
        return self.relaxed.worth if len(self.offers) > 1 else self.fluid

    @cached_property
    def bound(self) -> float:
        """A lower bound on the cost of all: a multiple of what the costs of all offers are multiples of."""
        one = len(self.offers) == 1
        least = float((self.counts @ self.parts(0)).max() * self.costs[0]) if one else self.relaxed.bound
        unit = float(np.gcd.reduce(np.rint(self.costs * _MICRO).astype(np.int64))) / _MICRO
        whole = unit > 0 and np.allclose(np.rint(self.costs / unit), self.costs / unit, rtol=0, atol=1e-6)
        return float(np.ceil(least / unit - 1e-6) * unit) if whole else least

    def cost(self, lots: Iterable[Lot]) -> float:
        """What these machines cost."""
        return float(sum(self.costs[lot.offer] * lot.count for lot in lots))

    def covers(self, lots: Iterable[Lot]) -> Ints:
        """Jobs of each class that these machines are for."""
        covered: Counter[int] = Counter()
        for lot in lots:
            for j, n in lot.jobs:
                covered[j] += n * lot.count
        return np.array([covered[j] for j in range(len(self.counts))], dtype=np.int64)

    def cheaper(self, lot: Lot) -> Lot:
        """The same jobs on machines of the cheapest offer that holds them."""
        classes = [j for j, _ in lot.jobs]
        load = np.array([n for _, n in lot.jobs]) @ self.asks[classes]
        holds = (self.rooms >= load - TINY).all(axis=1) & self.allowed[classes].all(axis=0)
        best = min(np.flatnonzero(holds), key=lambda i: (self.costs[i], i != lot.offer, i), default=lot.offer)
        return Lot(int(best), lot.count, lot.jobs)
