"""Fill one machine with the jobs of the most worth (a knapsack problem). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from factory.fit.packing.problem import PackingProblem
from factory.fit.packing.vectors import TINY, Bools, Floats, Ints

_STEPS = 256
"""The most steps into which a dimension of a machine is cut; requests are rounded up to steps."""
_CELLS = 20_000
"""The most cells of a grid."""
_MOST_TRIED = 24
"""The most classes in a greedy order: those with the highest worth for the room that they take."""


@dataclass(frozen=True, eq=False)
class Grid:
    """A machine of an offer, cut into steps in the dimensions that can run out."""

    offer: int
    size: tuple[int, ...]
    """Steps in each dimension."""
    items: tuple[tuple[int, int, tuple[int, ...]], ...]
    """(class, jobs, steps that these take): each class in bundles of 1, 2, 4, … jobs."""
    classes: int

    @classmethod
    def of(cls, problem: PackingProblem, offer: int) -> Grid | None:
        """Return the grid of an offer, or None if it would have too many cells."""
        cut = [_cut(problem, offer, d) for d in problem.binding(offer)]
        size = tuple(steps for steps, _ in cut)
        if np.prod([steps + 1 for steps in size]) > _CELLS:
            return None
        items = []
        for j in np.flatnonzero(problem.allowed[:, offer]):
            ask = [int(asks[j]) for _, asks in cut]
            if any(a > s for a, s in zip(ask, size, strict=True)) or not any(ask):
                continue
            left = min([int(problem.counts[j]), *(s // a for a, s in zip(ask, size, strict=True) if a)])
            bundle = 1
            while left > 0:
                n = min(bundle, left)
                items.append((int(j), n, tuple(n * a for a in ask)))
                left, bundle = left - n, 2 * bundle
        return cls(offer, size, tuple(items), len(problem.counts))

    @property
    def fill_us(self) -> float:
        """Effort of one filling, in microseconds."""
        return 100 + 0.002 * int(np.prod([steps + 1 for steps in self.size])) * len(self.items)

    def fill(self, worth: Floats) -> tuple[float, Ints]:
        """Return the highest worth that a machine can hold, and its jobs, by dynamic programming over bundles."""
        best: Floats = np.zeros([steps + 1 for steps in self.size])
        taken: list[Bools | None] = []
        for j, n, steps in self.items:
            if worth[j] <= 0:
                taken.append(None)
                continue
            into = tuple(slice(step, None) for step in steps)
            rest = tuple(slice(None, size + 1 - step) for size, step in zip(self.size, steps, strict=True))
            put = best[rest] + n * worth[j]
            better = put > best[into] + 1e-12
            taken.append(better)
            best[into] = np.where(better, put, best[into])
        jobs = np.zeros(self.classes, dtype=np.int64)
        at = list(self.size)
        for (j, n, steps), better_ in zip(reversed(self.items), reversed(taken), strict=True):
            here = tuple(a - step for a, step in zip(at, steps, strict=True))
            if better_ is not None and min(here) >= 0 and better_[here]:
                jobs[j] += n
                at = list(here)
        return float(best[self.size]), jobs


@dataclass(frozen=True, eq=False)
class Greedy:
    """A machine of an offer, filled in many greedy orders at once; the best counts.

    An order sorts classes by worth per weighted sum of what a job takes. Each order is tried with one job of each class
    placed first. Four dimensions take little longer than two, and nothing is rounded.
    """

    offer: int
    which: Ints
    """Classes that the offer serves."""
    asks: Floats
    """The parts of the machine that a job of each class takes, in each dimension that can run out."""
    counts: Ints
    """Jobs of each of them."""
    weights: Floats
    """One row for each order."""
    classes: int

    @classmethod
    def of(cls, problem: PackingProblem, offer: int) -> Greedy:
        """Return the orders of an offer: by each dimension, each pair of dimensions, and all of them."""
        dimensions = problem.binding(offer)
        which = np.flatnonzero(problem.allowed[:, offer])
        one = np.eye(len(dimensions))
        pairs = [a + b for a, b in combinations(one, 2)]
        weights = np.array([np.ones(len(dimensions)), *one, *pairs]) + 1e-3
        asks = problem.parts(offer)[which][:, dimensions]
        return cls(offer, which, asks, problem.counts[which], weights, len(problem.counts))

    @property
    def fill_us(self) -> float:
        """Effort of one filling, in microseconds."""
        n = min(len(self.which), _MOST_TRIED)
        return 100 + 30 * n + 0.04 * len(self.weights) * n * n

    def fill(self, worth: Floats) -> tuple[float, Ints]:
        """Return the highest worth found for a machine, and its jobs."""
        worth, asks, counts, which = np.maximum(worth[self.which], 0), self.asks, self.counts, self.which
        density = worth / (self.weights @ asks.T)
        some = np.flatnonzero(worth)
        if len(some) > _MOST_TRIED:
            some = np.sort(some[np.argsort(-density[:, some].max(axis=0), kind="stable")[:_MOST_TRIED]])
        worth, asks, counts, which, density = worth[some], asks[some], counts[some], which[some], density[:, some]
        orders, n = len(density), len(some)
        jobs = np.zeros((orders, n + 1, n), dtype=np.int64)
        jobs[:, np.arange(n), np.arange(n)] = 1
        free = 1 - np.concatenate([asks, np.zeros((1, asks.shape[1]))])[None].repeat(orders, axis=0)
        rows_ = np.arange(orders)
        for j in np.argsort(-density, axis=1, kind="stable").T:
            times = ((free + TINY) / np.maximum(asks[j], TINY)[:, None]).min(axis=2).astype(np.int64)
            times = np.minimum(times, counts[j][:, None] - jobs[rows_, :, j])
            free -= times[:, :, None] * asks[j][:, None]
            jobs[rows_, :, j] += times
        value = jobs @ worth
        order, first = np.unravel_index(int(value.argmax()), value.shape)
        best = np.zeros(self.classes, dtype=np.int64)
        best[which] = jobs[order, first]
        return float(value[order, first]), best


def _cut(problem: PackingProblem, offer: int, dimension: int) -> tuple[int, Ints]:
    """Return the number of steps of a dimension, and the steps that a job of each class takes."""
    room, asks = problem.rooms[offer, dimension], problem.asks[:, dimension]
    fitting = asks[problem.allowed[:, offer] & (asks > 0)]
    if not fitting.size:
        return 0, np.zeros(len(asks), dtype=np.int64)
    if (fitting == np.round(fitting)).all():
        step = int(np.gcd.reduce(fitting.astype(np.int64)))
        if room // step <= _STEPS:
            return int(room // step), np.ceil(asks / step - 1e-9).astype(np.int64)
    step_ = max(float(room), 1e-9) / _STEPS
    return _STEPS, np.ceil(asks / step_ - 1e-6).astype(np.int64)
