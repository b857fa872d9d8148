"""Fill most machines well, by linear programming over the ways to fill one machine. Pure.

Column generation (Gilmore and Gomory, "A linear programming approach to the cutting-stock problem", 1961). A *pattern*
is one way to fill a machine. The basis holds as many patterns as there are classes. Its dual prices are the worth of a
job of each class. A pattern whose jobs are worth more than its machine costs enters the basis in exchange for another.

The result is rounded down and the remaining jobs are packed machine by machine. That is rarely more than one machine
above the optimum.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from factory.fit.packing.effort import Effort
from factory.fit.packing.knapsack import Greedy, Grid
from factory.fit.packing.problem import Lot, PackingProblem
from factory.fit.packing.vectors import Floats, Ints

_ENOUGH = 1e-7
"""The worth of a pattern must exceed its cost by this fraction to enter the basis."""
MOST_CLASSES = 60
"""With more classes this takes too long, and greedy packing is good enough."""
_EXCHANGE_US = 150
"""Time of one exchange without the search for the entering pattern."""


@dataclass(frozen=True)
class _Pattern:
    """Jobs of each class on one machine. Without an offer: a slack pattern, room for one job that stays unused."""

    offer: int | None
    jobs: Ints


def whole_machines(problem: PackingProblem, known: Iterable[Lot], effort: Effort) -> list[Lot]:
    """Return well-filled machines; the jobs of a few machines may remain. Return nothing if there are too many classes.

    ``known``: machines of another packing, whose patterns are tried first.
    """
    if not 0 < len(problem.counts) <= MOST_CLASSES:
        return []
    offers = [i for i in range(len(problem.offers)) if problem.allowed[:, i].any()]
    grids = [grid for i in offers if (grid := Grid.of(problem, i)) is not None]
    search = _Search([*(Greedy.of(problem, i) for i in offers), *grids], problem, known, effort)
    patterns, amounts = _exchange(problem, search)
    lots = []
    for pattern, amount in zip(patterns, amounts, strict=True):
        times = int(amount + 1e-6)
        if times > 0 and pattern.offer is not None:
            jobs = tuple((int(j), int(pattern.jobs[j])) for j in np.flatnonzero(pattern.jobs))
            lots.append(Lot(pattern.offer, times, jobs))
    return lots


class _Search:
    """Search for a pattern that is worth more than its machine costs.

    It tries the known patterns, then greedy orders, then grids, and resumes where it last found one.
    """

    def __init__(
        self, fillers: Sequence[Greedy | Grid], problem: PackingProblem, known: Iterable[Lot], effort: Effort
    ) -> None:
        self._fillers = deque(fillers)
        self._costs = problem.costs
        self._effort = effort
        self._known = [_Pattern(lot.offer, _jobs(lot, len(problem.counts))) for lot in known]
        self._jobs = np.array([pattern.jobs / self._costs[pattern.offer] for pattern in self._known])

    def find(self, worth: Floats) -> _Pattern | None:
        """Return such a pattern, or None if there is none or no effort is left."""
        self._effort.spend(_EXCHANGE_US)
        if self._known:
            values = self._jobs @ worth
            if values.max() > 1 + _ENOUGH:
                return self._known[int(values.argmax())]
        for _ in range(len(self._fillers)):
            if self._effort.spent:
                return None
            filler = self._fillers[0]
            self._effort.spend(filler.fill_us)
            value, jobs = filler.fill(worth)
            if value > self._costs[filler.offer] * (1 + _ENOUGH):
                return _Pattern(filler.offer, jobs)
            self._fillers.rotate(-1)
        return None


def _jobs(lot: Lot, classes: int) -> Ints:
    jobs = np.zeros(classes, dtype=np.int64)
    for j, n in lot.jobs:
        jobs[j] = n
    return jobs


def _exchange(problem: PackingProblem, search: _Search) -> tuple[list[_Pattern], Floats]:
    """Return the patterns of the optimal basis, and the number of machines of each."""
    counts = problem.counts.astype(np.float64)
    odd = counts + np.linspace(0.001, 0.01, len(counts))  # breaks ties, so that the exchange can't cycle
    patterns = [_single_class(problem, j) for j in range(len(counts))]
    basis = np.array([pattern.jobs for pattern in patterns], dtype=np.float64).T
    while True:
        costs = np.array([0 if pattern.offer is None else problem.costs[pattern.offer] for pattern in patterns])
        worth = np.linalg.solve(basis.T, costs)
        pattern = _slack(worth) or search.find(worth)
        if pattern is None:
            break
        amounts = np.linalg.solve(basis, odd)
        direction = np.linalg.solve(basis, pattern.jobs.astype(np.float64))
        ratio = np.full(len(patterns), np.inf)
        ratio[direction > 1e-9] = amounts[direction > 1e-9] / direction[direction > 1e-9]
        out = int(ratio.argmin())
        patterns[out] = pattern
        basis[:, out] = pattern.jobs
    return patterns, np.asarray(np.maximum(np.linalg.solve(basis, counts), 0), dtype=np.float64)


def _single_class(problem: PackingProblem, j: int) -> _Pattern:
    """Return the pattern with jobs of one class only, on the offer where one job costs the least."""
    each = {int(i): _times(problem, j, int(i)) for i in np.flatnonzero(problem.allowed[j])}
    best = min(each, key=lambda i: (problem.costs[i] / each[i], i))
    jobs = np.zeros(len(problem.counts), dtype=np.int64)
    jobs[j] = min(each[best], problem.counts[j])
    return _Pattern(best, jobs)


def _times(problem: PackingProblem, j: int, offer: int) -> int:
    return max(1, int(1 / float(problem.parts(offer)[j].max()) + 1e-9))


def _slack(worth: Floats) -> _Pattern | None:
    """Return the slack pattern of a class with negative worth: leaving its room unused lowers the cost."""
    j = int(worth.argmin())
    if worth[j] >= -_ENOUGH:
        return None
    jobs = np.zeros(len(worth), dtype=np.int64)
    jobs[j] = -1
    return _Pattern(None, jobs)
