"""Who is served first when there is not enough for all. Pure.

Owners take turns: the most valuable machine of each, then the next of each. So an owner with many cheap jobs does not
keep another one waiting behind a cap; of the machines of one owner a cap cuts the least valuable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from factory.fit.packing.problem import Lot, PackingProblem
from factory.fit.packing.vectors import TINY


def shared(jobs: int, wanted: Mapping[str, int]) -> dict[str, int]:
    """Share out room for so many jobs: all get alike, up to what they want; what is odd goes by name."""
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


def by_value(problem: PackingProblem, lots: Sequence[Lot]) -> list[Lot]:
    """The most valuable first: whose jobs would cost the most elsewhere, for what it costs; 1 for a full machine."""

    def value(lot: Lot) -> float:
        worth = sum(float(problem.fluid[j]) * n for j, n in lot.jobs)
        return round(worth / float(problem.costs[lot.offer]), 9)

    return sorted(lots, key=lambda lot: (-value(lot), str(problem.offers[lot.offer].shape), lot.jobs, lot.count))


def in_turns(problem: PackingProblem, lots: Sequence[Lot], owners: Sequence[Mapping[str, int]]) -> list[int]:
    """Which lot each machine is of, in the order in which owners take turns.

    ``lots`` come by value, ``owners`` has the jobs of each owner in each class. A machine is an owner's as far as its
    jobs are.
    """
    counts = np.array([lot.count for lot in lots], dtype=np.int64)
    names = sorted({name for of_class in owners for name in of_class})
    if len(names) <= 1:
        return np.repeat(np.arange(len(lots)), counts).tolist()
    jobs = np.zeros((len(lots), len(owners)))
    for i, lot in enumerate(lots):
        for j, n in lot.jobs:
            jobs[i, j] = n * problem.fluid[j]
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
