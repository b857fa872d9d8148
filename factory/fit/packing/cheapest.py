"""Find the cheapest machines that hold all jobs: the best of several packings. Pure.

The search stops at the lower bound on the cost, or when its effort is spent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from factory.fit.packing.column_generation import whole_machines
from factory.fit.packing.effort import Effort
from factory.fit.packing.exhaustive import find_cheaper
from factory.fit.packing.greedy import SCORES, Score, pack
from factory.fit.packing.problem import Lot, PackingProblem
from factory.fit.packing.vectors import TINY, Ints

_MANY = 50
"""With more classes than this, many machines are filled alike at once."""
_NEAR = 0.015
"""With many classes, a packing this close to the lower bound is good enough."""
_EFFORT_US = 80_000
"""Effort for all packings together, in microseconds; the first packing is always made."""


def find_cheapest(problem: PackingProblem) -> list[Lot]:
    """Return the cheapest packing found; of equal ones the one with fewer machines."""
    best: list[Lot] = []
    effort = Effort(_EFFORT_US)
    for packing in _packings(problem, effort):
        lots = [problem.cheaper(lot) for lot in packing]
        better = not best or _rank(problem, lots) < _rank(problem, best)
        if better:
            best = lots
        if problem.cost(best) <= problem.bound + max(TINY, _tolerance(problem)):
            return best
        if not better and len(problem.counts) > _MANY:
            return best  # with many classes all packings are nearly as good
    return find_cheaper(problem, best, effort)


def _tolerance(problem: PackingProblem) -> float:
    """Return the distance from the lower bound at which the search stops.

    It is zero for a cost of up to a hundred of the cheapest machines, and just under one such machine above that. With
    many classes, which take long, it is 1.5 % of the bound: the bound itself is that far below the optimum.
    """
    smallest = float(problem.costs.min())
    if problem.bound <= 100 * smallest:
        return 0.0
    return max(smallest * (1 - 1e-6), _NEAR * problem.bound if len(problem.counts) > _MANY else 0.0)


def _rank(problem: PackingProblem, lots: Sequence[Lot]) -> tuple[float, int]:
    return round(problem.cost(lots), 9), sum(lot.count for lot in lots)


def _packings(problem: PackingProblem, effort: Effort) -> Iterator[list[Lot]]:
    """Yield packings of all jobs while effort is left; the methods that are most often the cheapest come first."""
    everywhere = range(len(problem.offers))
    coarse = len(problem.counts) > _MANY

    def together(counts: Ints, score: Score) -> list[Lot]:
        return pack(problem, counts, score, everywhere, effort, coarse=coarse)

    def apart() -> list[Lot]:
        """Pack each offer on its own, with the jobs that the fractional solution puts there."""
        shares = enumerate(problem.relaxed.jobs(problem.counts).T)
        return [
            lot for offer, jobs in shares if jobs.any() for lot in _pack_offer(problem, offer, jobs, effort, coarse)
        ]

    before = effort.left_us
    first = together(problem.counts, SCORES[0]) if len(everywhere) == 1 else apart()
    one_us = before - effort.left_us
    yield first
    if one_us > effort.left_us:
        return
    whole = whole_machines(problem, first, effort)
    if whole:
        rest = np.maximum(problem.counts - problem.covers(whole), 0)
        for score in SCORES:
            yield whole + together(rest, score)
    methods = [partial(together, problem.counts, score) for score in SCORES]
    for method in methods[1:] if len(everywhere) == 1 else methods:
        if one_us > effort.left_us:
            return
        yield method()


def _pack_offer(problem: PackingProblem, offer: int, counts: Ints, effort: Effort, coarse: bool) -> list[Lot]:
    """Pack jobs on machines of one offer; return the better of two packings."""
    least = float((counts @ problem.parts(offer)).max())

    def packed(score: Score) -> list[Lot]:
        return pack(problem, counts, score, [offer], effort, coarse=coarse)

    def number(lots: list[Lot]) -> int:
        return sum(lot.count for lot in lots)

    first = packed(SCORES[0])
    if number(first) < 1.01 * least + 1 or effort.left_us < _EFFORT_US / 2:
        return first
    return min(first, packed(SCORES[1]), key=number)
