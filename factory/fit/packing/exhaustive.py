"""Search all packings of a few jobs on a few machines for a cheaper one: branch and bound. Pure.

Machines are chosen one after the other. Each holds a job of the first class that is left, and further jobs until none
fits. A branch ends when its machines and the least cost of the remaining jobs are together no cheaper than the best
packing known. The other methods find the optimum of nearly all problems; this finds it for the rest of the small ones,
where one machine too many is a tenth of the cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from factory.fit.packing.effort import Effort
from factory.fit.packing.problem import Lot, PackingProblem
from factory.fit.packing.vectors import TINY

_MOST_CLASSES = 12
_MOST_MACHINES = 24
"""With more the search would end for lack of effort."""
_FILL_US = 100
"""Effort for one way to fill a machine."""

_Counts = tuple[int, ...]


def find_cheaper(problem: PackingProblem, known: Sequence[Lot], effort: Effort) -> list[Lot]:
    """Return a packing that is cheaper than a known one; the known one if none was found while effort is left."""
    number = sum(lot.count for lot in known)
    if len(problem.counts) > _MOST_CLASSES or number > _MOST_MACHINES or effort.spent:
        return list(known)
    search = _Search(problem, problem.cost(known), effort)
    search.go(tuple(problem.counts.tolist()), 0.0)
    return list(known) if search.best is None else search.best


class _Search:
    def __init__(self, problem: PackingProblem, cost: float, effort: Effort) -> None:
        self.best: list[Lot] | None = None
        self._cost = cost
        """Cost of the best packing."""
        self._problem = problem
        self._effort = effort
        self._asks = [tuple(ask) for ask in problem.asks.tolist()]
        self._costs = problem.costs.tolist()
        self._rooms = [tuple(room) for room in problem.rooms.tolist()]
        self._allowed = problem.allowed.tolist()
        self._seen: dict[_Counts, float] = {}
        self._path: list[tuple[int, _Counts]] = []

    def go(self, left: _Counts, cost: float) -> None:
        """Try all machines for the first class of the remaining jobs, the most valuable fillings first."""
        if not any(left):
            self._cost = cost
            self.best = [Lot(offer, 1, tuple((j, n) for j, n in enumerate(jobs) if n)) for offer, jobs in self._path]
            return
        first = next(j for j, n in enumerate(left) if n)
        branches = []
        for offer, allowed in enumerate(self._allowed[first]):
            after = cost + self._costs[offer]
            if allowed and after < self._cost - TINY:
                for jobs in self._fillings(offer, left, first):
                    self._effort.spend(_FILL_US)
                    rest = tuple([n - taken for n, taken in zip(left, jobs, strict=True)])
                    least = after + self._problem.least_cost(np.array(rest))
                    if least < self._cost - TINY:
                        branches.append((least, offer, jobs, rest, after))
        for least, offer, jobs, rest, after in sorted(branches):
            if self._effort.spent:
                return
            if least < self._cost - TINY and after < self._seen.get(rest, float("inf")):
                self._seen[rest] = after
                self._path.append((offer, jobs))
                self.go(rest, after)
                self._path.pop()

    def _fillings(self, offer: int, left: _Counts, first: int) -> Iterator[_Counts]:
        """Yield the ways to fill a machine with a job of the class ``first`` and later ones, so that no other fits."""
        able = [j for j in range(first, len(left)) if left[j] and self._allowed[j][offer]]

        def fill(place: int, free: tuple[float, ...], jobs: dict[int, int]) -> Iterator[_Counts]:
            if self._effort.spent:
                return
            if place == len(able):
                if not any(left[j] > jobs[j] and self._times(free, j) for j in able):
                    yield tuple([jobs.get(j, 0) for j in range(len(left))])
                return
            j = able[place]
            for n in range(min(left[j], self._times(free, j)), -1 if j != first else 0, -1):
                room = tuple([have - n * ask for have, ask in zip(free, self._asks[j], strict=True)])
                yield from fill(place + 1, room, {**jobs, j: n})

        return fill(0, self._rooms[offer], {})

    def _times(self, free: tuple[float, ...], j: int) -> int:
        """Return the number of jobs of a class that fit into the room left."""
        return int(min(have / ask for have, ask in zip(free, self._asks[j], strict=True) if ask > 0) + TINY)
