"""Machine by machine: fill one as well as can be, repeat that as long as the jobs last. Pure.

Filling is greedy by a score. The dot product of what a job asks for and what is left on the machine, each dimension
weighted by how scarce it is, puts jobs together that complement each other (Panigrahy et al., "Heuristics for Vector
Bin Packing", 2011); the other scores do better where few jobs fill a machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from factory.fit.problem import Lot, Problem
from factory.fit.vectors import TINY, Floats, Ints

Score = Callable[[Floats, Floats, Floats], Floats]
"""(asks, what is left, weights), in parts of a machine → what a job of each class is worth here; the highest is put."""


def complement(asks: Floats, free: Floats, weights: Floats) -> Floats:
    """Jobs that ask for what is left."""
    return np.asarray(asks @ (free * weights))


def largest(asks: Floats, _free: Floats, _weights: Floats) -> Floats:
    """The job that takes the most of any dimension."""
    return np.asarray(asks.max(axis=1))


def even(asks: Floats, free: Floats, _weights: Floats) -> Floats:
    """Large jobs, and those that leave the dimensions equally free."""
    after = free - asks
    return np.asarray(asks.max(axis=1) - (after.max(axis=1) - after.min(axis=1)))


def exhaust(asks: Floats, free: Floats, _weights: Floats) -> Floats:
    """Jobs that take much of whatever is left, in every dimension."""
    return np.asarray((asks / np.maximum(free, TINY)).min(axis=1))


SCORES: tuple[Score, ...] = (complement, largest, even, exhaust)


def pack(problem: Problem, counts: Ints, score: Score, offers: Iterable[int]) -> list[Lot]:
    """Machines of these offers for so many jobs of each class; every class must have an offer among them.

    The next machine is of the offer whose filling is worth the most for its cost, a job being worth its fluid cost:
    for uniform jobs that is the least cost for each job placed.
    """
    left = counts.copy()
    lots = []
    fillers = [_Filler(problem, offer, score) for offer in offers]
    while left.any():
        best = max((filler.fill(left) for filler in fillers), key=lambda filling: filling.goodness)
        if not best.jobs:
            break
        times = min(int(left[j]) // n for j, n in best.jobs)
        for j, n in best.jobs:
            left[j] -= n * times
        lots.append(Lot(best.offer, times, best.jobs))
    return lots


@dataclass(frozen=True, slots=True)
class _Filling:
    """A filled machine."""

    goodness: tuple[float, float]
    """Worth of its jobs for its cost; where equal, dearer and so larger machines come first."""
    offer: int
    jobs: tuple[tuple[int, int], ...]


class _Filler:
    """Fills one machine of an offer."""

    def __init__(self, problem: Problem, offer: int, score: Score) -> None:
        self.offer = offer
        self.score = score
        self.parts = np.ascontiguousarray(problem.parts(offer)[:, problem.binding(offer)])
        self.allowed = problem.allowed[:, offer]
        self.fluid = problem.fluid
        self.cost = float(problem.costs[offer])
        self._last: _Filling | None = None

    def fill(self, left: Ints) -> _Filling:
        """The machine filled from the jobs that are left; as before while these last."""
        if self._last is None or any(left[j] < n for j, n in self._last.jobs):
            jobs = self._jobs(left)
            worth = sum(float(self.fluid[j]) * n for j, n in jobs)
            self._last = _Filling((round(worth / self.cost, 9), self.cost), self.offer, jobs)
        return self._last

    def _jobs(self, left: Ints) -> tuple[tuple[int, int], ...]:
        classes = np.flatnonzero((left > 0) & self.allowed)
        asks, count = self.parts[classes], left[classes]
        demand = count @ asks
        weights = demand / max(float(demand.max(initial=0)), TINY)
        free = np.ones(asks.shape[1])
        jobs: dict[int, int] = {}
        while classes.size:
            fits = count > 0
            for dimension, room in enumerate((free + TINY).tolist()):
                fits &= asks[:, dimension] <= room
            if not fits.all():
                classes, asks, count = classes[fits], asks[fits], count[fits]
                if not classes.size:
                    break
            best = int(self.score(asks, free, weights).argmax()) if classes.size > 1 else 0
            times = min(int(count[best]), _times(free.tolist(), asks[best].tolist()))
            if classes.size > 1:
                times = max(1, times // 4)
            j = int(classes[best])
            jobs[j] = jobs.get(j, 0) + times
            count[best] -= times
            free = free - times * asks[best]
        return tuple(sorted(jobs.items()))


def _times(free: list[float], ask: list[float]) -> int:
    """How often a job fits into what is left."""
    return int(min(room / part for room, part in zip(free, ask, strict=True) if part > 0) + TINY)
