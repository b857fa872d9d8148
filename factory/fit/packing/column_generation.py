"""The least cost of machines that are filled whole, by linear programming over ways to fill one. Pure.

Column generation (Gilmore and Gomory, "A linear programming approach to the cutting-stock problem", 1961): keep as many
ways to fill a machine as there are classes; ask what a job of each class is worth at their prices; look for a machine
that would hold more worth than it costs; exchange. The result is rounded down and what is left is packed machine by
machine, which is rarely more than one machine above the optimum.
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
"""A machine must hold more than this part of worth beyond its cost to be worth an exchange."""
MOST_CLASSES = 60
"""With more classes the way takes too long, and jobs of many kinds fill machines well anyhow."""
_EXCHANGE_US = 150
"""What one exchange takes, without the search for what to exchange."""


@dataclass(frozen=True)
class _Way:
    """A way to fill a machine: jobs of each class. Without an offer: room for one job of a class that stays unused."""

    offer: int | None
    jobs: Ints


def whole_machines(problem: PackingProblem, known: Iterable[Lot], effort: Effort) -> list[Lot]:
    """Machines that are filled well; jobs of a few machines may be left over. Nothing if it would take too long.

    ``known``: machines as another way has filled them, to begin with.
    """
    if not 0 < len(problem.counts) <= MOST_CLASSES:
        return []
    offers = [i for i in range(len(problem.offers)) if problem.allowed[:, i].any()]
    grids = [grid for i in offers if (grid := Grid.of(problem, i)) is not None]
    search = _Search([*(Greedy.of(problem, i) for i in offers), *grids], problem, known, effort)
    ways, amounts = _exchange(problem, search)
    lots = []
    for way, amount in zip(ways, amounts, strict=True):
        times = int(amount + 1e-6)
        if times > 0 and way.offer is not None:
            jobs = tuple((int(j), int(way.jobs[j])) for j in np.flatnonzero(way.jobs))
            lots.append(Lot(way.offer, times, jobs))
    return lots


class _Search:
    """Looks for a machine that holds more worth than it costs.

    Among those that are known, then by greedy orders, then on grids; it goes on where it last found one.
    """

    def __init__(
        self, fillers: Sequence[Greedy | Grid], problem: PackingProblem, known: Iterable[Lot], effort: Effort
    ) -> None:
        self._fillers = deque(fillers)
        self._costs = problem.costs
        self._effort = effort
        self._known = [_Way(lot.offer, _jobs(lot, len(problem.counts))) for lot in known]
        self._jobs = np.array([way.jobs / self._costs[way.offer] for way in self._known])

    def find(self, worth: Floats) -> _Way | None:
        """One that does, if there is one and effort is left."""
        self._effort.spend(_EXCHANGE_US)
        if self._known:
            values = self._jobs @ worth
            if values.max() > 1 + _ENOUGH:
                return self._known[int(values.argmax())]
        for _ in range(len(self._fillers)):
            if self._effort.spent:
                return None
            filler = self._fillers[0]
            self._effort.spend(filler.us)
            value, jobs = filler.fill(worth)
            if value > self._costs[filler.offer] * (1 + _ENOUGH):
                return _Way(filler.offer, jobs)
            self._fillers.rotate(-1)
        return None


def _jobs(lot: Lot, classes: int) -> Ints:
    jobs = np.zeros(classes, dtype=np.int64)
    for j, n in lot.jobs:
        jobs[j] = n
    return jobs


def _exchange(problem: PackingProblem, search: _Search) -> tuple[list[_Way], Floats]:
    """The ways that come out, and how many machines of each."""
    counts = problem.counts.astype(np.float64)
    odd = counts + np.linspace(0.001, 0.01, len(counts))  # without ties the exchange can't go round in circles
    ways = [_alone(problem, j) for j in range(len(counts))]
    basis = np.array([way.jobs for way in ways], dtype=np.float64).T
    while True:
        costs = np.array([0 if way.offer is None else problem.costs[way.offer] for way in ways])
        worth = np.linalg.solve(basis.T, costs)
        way = _unused(worth) or search.find(worth)
        if way is None:
            break
        amounts = np.linalg.solve(basis, odd)
        direction = np.linalg.solve(basis, way.jobs.astype(np.float64))
        ratio = np.full(len(ways), np.inf)
        ratio[direction > 1e-9] = amounts[direction > 1e-9] / direction[direction > 1e-9]
        out = int(ratio.argmin())
        ways[out] = way
        basis[:, out] = way.jobs
    return ways, np.asarray(np.maximum(np.linalg.solve(basis, counts), 0), dtype=np.float64)


def _alone(problem: PackingProblem, j: int) -> _Way:
    """Machines with jobs of one class only, of the offer where a job costs the least."""
    each = {int(i): _times(problem, j, int(i)) for i in np.flatnonzero(problem.allowed[j])}
    best = min(each, key=lambda i: (problem.costs[i] / each[i], i))
    jobs = np.zeros(len(problem.counts), dtype=np.int64)
    jobs[j] = min(each[best], problem.counts[j])
    return _Way(best, jobs)


def _times(problem: PackingProblem, j: int, offer: int) -> int:
    return max(1, int(1 / float(problem.parts(offer)[j].max()) + 1e-9))


def _unused(worth: Floats) -> _Way | None:
    """Where one more job of a class would make all cheaper, room for it may as well stay unused."""
    j = int(worth.argmin())
    if worth[j] >= -_ENOUGH:
        return None
    jobs = np.zeros(len(worth), dtype=np.int64)
    jobs[j] = -1
    return _Way(None, jobs)
