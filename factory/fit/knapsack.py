"""The jobs of most worth that fit on one machine. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from factory.fit.problem import Problem
from factory.fit.vectors import Bools, Floats, Ints

_STEPS = 256
"""A machine is cut into so many steps in each dimension, at most; asks that fall between are rounded up."""
_CELLS = 20_000


@dataclass(frozen=True, eq=False)
class Grid:
    """A machine of an offer, cut into steps in the dimensions in which it can run out."""

    offer: int
    size: tuple[int, ...]
    """Steps in each dimension."""
    items: tuple[tuple[int, int, tuple[int, ...]], ...]
    """(class, jobs, steps that they take): each class in bundles of 1, 2, 4, … jobs."""
    classes: int

    @classmethod
    def of(cls, problem: Problem, offer: int) -> Grid | None:
        """The grid of an offer; none if it would have too many cells."""
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
    def work(self) -> int:
        """Cells that one filling looks at."""
        return int(np.prod([steps + 1 for steps in self.size])) * max(1, len(self.items))

    def fill(self, worth: Floats) -> tuple[float, Ints]:
        """The highest worth that one machine can hold, and the jobs: dynamic programming, bundle by bundle."""
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


def _cut(problem: Problem, offer: int, dimension: int) -> tuple[int, Ints]:
    """A dimension of a machine in steps, and what a job of each class takes of them."""
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
