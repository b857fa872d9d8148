"""Order machines so that owners take turns if a cap cuts some of them. Pure.

The most valuable machine of each owner comes first, then the next of each. An owner with many cheap jobs does not keep
another one waiting behind a cap. A cap cuts the least valuable machines of each owner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from factory.fit.packing.problem import Lot, PackingProblem
from factory.fit.packing.vectors import TINY


def share_out(jobs: int, wanted: Mapping[str, int]) -> dict[str, int]:
    """Share out room for a number of jobs in equal parts, up to what each key wants; the remainder goes by key."""
    given = dict.fromkeys(wanted, 0)
    if jobs >= sum(wanted.values()):
        return dict(wanted)
    waiting = sorted((key for key, n in wanted.items() if n > 0), key=lambda key: (wanted[key], key))
    for i, key in enumerate(waiting):
        given[key] = min(wanted[key], jobs // (len(waiting) - i))
        jobs -= given[key]
    for key in sorted(waiting):
        if jobs and given[key] < wanted[key]:
            given[key] += 1
            jobs -= 1
    return given


def sort_by_value(problem: PackingProblem, lots: Sequence[Lot]) -> list[Lot]:
    """Return lots by value: the cost of the jobs on machines of their own, divided by the cost of the machine."""

    def value(lot: Lot) -> float:
        worth = sum(float(problem.single_class_cost[j]) * n for j, n in lot.jobs)
        return round(worth / float(problem.costs[lot.offer]), 9)

    return sorted(lots, key=lambda lot: (-value(lot), str(problem.offers[lot.offer].shape), lot.jobs, lot.count))


def order_by_owner(problem: PackingProblem, lots: Sequence[Lot], owners: Sequence[Mapping[str, int]]) -> list[int]:
    """Return the lot of each machine, ordered so that owners take turns.

    ``lots`` are ordered by value; ``owners`` holds the jobs of each owner in each class. A machine counts for each
    owner in proportion to the owner's jobs on it.
    """
    counts = np.array([lot.count for lot in lots], dtype=np.int64)
    names = sorted({name for of_class in owners for name in of_class})
    if len(names) <= 1:
        return np.repeat(np.arange(len(lots)), counts).tolist()
    jobs = np.zeros((len(lots), len(owners)))
    for i, lot in enumerate(lots):
        for j, n in lot.jobs:
            jobs[i, j] = n * problem.single_class_cost[j]
    parts = np.array([[of_class.get(name, 0) for name in names] for of_class in owners], dtype=np.float64)
    share = jobs @ (parts / np.maximum(parts.sum(axis=1, keepdims=True), TINY))
    share /= np.maximum(share.sum(axis=1, keepdims=True), TINY)
    edges = np.rint(np.cumsum(share, axis=1) * counts[:, None]).astype(np.int64)
    edges[:, -1] = counts
    machines = np.diff(edges, axis=1, prepend=0)
    lot_of, turn_of = [], []
    for column in range(len(names)):
        of_owner = np.repeat(np.arange(len(lots)), machines[:, column])
        lot_of.append(of_owner)
        turn_of.append(np.arange(len(of_owner)))
    of, turn = np.concatenate(lot_of), np.concatenate(turn_of)
    return [int(i) for i in of[np.lexsort((of, turn))]]
