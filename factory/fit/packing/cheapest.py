"""The cheapest machines that hold all jobs: the best of several ways to fill them. Pure.

It stops looking when nothing can be cheaper, or when it has tried enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from factory.fit.packing.column_generation import whole_machines
from factory.fit.packing.effort import Effort
from factory.fit.packing.greedy import SCORES, Score, pack
from factory.fit.packing.problem import Lot, PackingProblem
from factory.fit.packing.vectors import TINY, Ints

_MANY = 50
"""Classes from which machines are filled alike by the dozen."""
_NEAR = 0.015
_EFFORT_US = 80_000
"""What may be tried in all, about; at least one way is."""


def cheapest(problem: PackingProblem) -> list[Lot]:
    """The cheapest machines that hold all jobs, of several ways to find them; fewer machines where equal."""
    best: list[Lot] = []
    for way in _ways(problem, Effort(_EFFORT_US)):
        lots = [problem.cheaper(lot) for lot in way]
        better = not best or _price(problem, lots) < _price(problem, best)
        if better:
            best = lots
        if problem.cost(best) <= problem.bound + max(TINY, _crumb(problem)):
            break
        if not better and len(problem.counts) > _MANY:
            break  # ways differ little where jobs of many kinds fill machines well
    return best


def _crumb(problem: PackingProblem) -> float:
    """What is not worth another way.

    Less than the smallest machine, where the bill is that of a hundred; of many classes, which take long, less than one
    or two in a hundred: the bound itself is as far below what can be had.
    """
    smallest = float(problem.costs.min())
    if problem.bound <= 100 * smallest:
        return 0.0
    return max(smallest * (1 - 1e-6), _NEAR * problem.bound if len(problem.counts) > _MANY else 0.0)


def _price(problem: PackingProblem, lots: Sequence[Lot]) -> tuple[float, int]:
    return round(problem.cost(lots), 9), sum(lot.count for lot in lots)


def _ways(problem: PackingProblem, effort: Effort) -> Iterator[list[Lot]]:
    """Ways to place all jobs, those that find the least cost most often first, as long as effort is left."""
    everywhere = range(len(problem.offers))
    coarse = len(problem.counts) > _MANY

    def together(counts: Ints, score: Score) -> list[Lot]:
        return pack(problem, counts, score, everywhere, effort, coarse=coarse)

    def apart() -> list[Lot]:
        """Jobs on the offers where they would go if machines could be cut; on each in the better one of two ways."""
        shares = enumerate(problem.relaxed.jobs(problem.counts).T)
        return [lot for offer, jobs in shares if jobs.any() for lot in _on_one(problem, offer, jobs, effort, coarse)]

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
    ways = [partial(together, problem.counts, score) for score in SCORES]
    for way in ways[1:] if len(everywhere) == 1 else ways:
        if one_us > effort.left_us:
            return
        yield way()


def _on_one(problem: PackingProblem, offer: int, counts: Ints, effort: Effort, coarse: bool) -> list[Lot]:
    """Machines of one offer, in the better one of two ways."""
    least = float((counts @ problem.parts(offer)).max())

    def packed(score: Score) -> list[Lot]:
        return pack(problem, counts, score, [offer], effort, coarse=coarse)

    def number(lots: list[Lot]) -> int:
        return sum(lot.count for lot in lots)

    first = packed(SCORES[0])
    if number(first) < 1.01 * least + 1 or effort.left_us < _EFFORT_US / 2:
        return first
    return min(first, packed(SCORES[1]), key=number)
