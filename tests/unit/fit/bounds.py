"""Lower bounds on the number and cost of the machines that a packing needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from factory.fit.packing.vectors import vector
from factory.model.demand import JobGroup, Offer


def sum_bound(groups: Sequence[JobGroup], offer: Offer) -> int:
    """Return the bound from the total request in each dimension."""
    cpus = sum(g.ask.cpus * g.count for g in groups) / offer.room.cpus
    memory = sum(g.ask.memory_mb * g.count for g in groups) / offer.room.memory_mb
    return math.ceil(max(cpus, memory) - 1e-9)


def config_bound(groups: Sequence[JobGroup], offer: Offer, step_mb: int) -> int:
    """Return the bound on the number of machines by :func:`patterns_bound`, with memory in steps."""
    steps = [(int(g.ask.cpus), int(g.ask.memory_mb) // step_mb) for g in groups]
    room = (int(offer.room.cpus), int(offer.room.memory_mb) // step_mb)
    most = [float(min(room[0] // max(c, 1), room[1] // max(m, 1))) for c, m in steps]

    def best(worth: Worth) -> tuple[float, Worth, float]:
        value, pattern = most_worth(worth, steps, room)
        return value, pattern, 1.0

    return math.ceil(patterns_bound([g.count for g in groups], most, [1.0] * len(groups), best) - 1e-6)


def cost_bound(groups: Sequence[JobGroup], offers: Sequence[Offer], ok: Mapping[tuple[str, str], bool]) -> float:
    """Return the bound on the cost by :func:`patterns_bound`. It lists all patterns, so machines must be small."""
    patterns, costs = [], []
    for offer in offers:
        served = [ok[g.key, str(offer.shape)] for g in groups]
        found = patterns_of([vector(g.ask) for g in groups], vector(offer.room), served)
        patterns += found
        costs += [offer.cost] * len(found)
    jobs, cost = np.array(patterns, dtype=float), np.array(costs)
    alone = [
        max((pattern[j] / cost[i], pattern[j], cost[i]) for i, pattern in enumerate(jobs) if pattern[j])
        for j in range(len(groups))
    ]

    def best(worth: Worth) -> tuple[float, Worth, float]:
        value = jobs @ worth / cost
        i = int(value.argmax())
        return float(value[i]), jobs[i], float(cost[i])

    return patterns_bound([g.count for g in groups], [n for _, n, _ in alone], [c for _, _, c in alone], best)


Worth = NDArray[np.float64]


def patterns_bound(
    counts: Sequence[int],
    alone: Sequence[float],
    costs: Sequence[float],
    best: Callable[[Worth], tuple[float, Worth, float]],
) -> float:
    """Return the bound of the linear relaxation over all patterns, that is, all ways to fill a machine.

    Any worth of jobs gives a bound: the worth of all jobs divided by the most worth per cost of one machine (Farley, "A
    note on bounding a class of linear programming problems", 1990). Exchanging patterns finds good worths.

    Args:
        counts: Jobs of each group.
        alone: Jobs of each group that fit on a machine of their own.
        costs: Cost of that machine.
        best: Worths → the most worth per cost of a machine, its jobs, and its cost.
    """
    jobs, patterns, cost_of = np.array(counts, dtype=float), np.diag(np.array(alone)), np.array(costs)
    odd = jobs + np.linspace(0.001, 0.01, len(jobs))  # breaks ties, so that the exchange can't cycle
    bound = 0.0
    for _ in range(300):
        worth = np.linalg.solve(patterns.T, cost_of)
        most, pattern, cost = best(np.maximum(worth, 0))
        bound = max(bound, float(np.maximum(worth, 0) @ jobs) / max(most, 1))
        if worth.min() < -1e-9:  # slack pattern: unused room for a job costs nothing
            pattern, cost = np.zeros(len(jobs)), 0.0
            pattern[worth.argmin()] = -1
        elif most <= 1 + 1e-9:
            break
        direction, amounts = np.linalg.solve(patterns, pattern), np.linalg.solve(patterns, odd)
        ratio = np.where(direction > 1e-9, amounts / np.where(direction > 1e-9, direction, 1), np.inf)
        out = int(ratio.argmin())
        patterns[:, out], cost_of[out] = pattern, cost
    return bound


def patterns_of(
    asks: Sequence[Sequence[float]], room: Sequence[float], served: Sequence[bool]
) -> list[tuple[int, ...]]:
    """Return all patterns to which no job can be added."""
    found: list[tuple[int, ...]] = []

    def fill(pattern: tuple[int, ...], free: Sequence[float]) -> None:
        j = len(pattern)
        if j == len(asks):
            more = [ask for ask, yes in zip(asks, served, strict=True) if yes and fits(ask, free)]
            if any(pattern) and not more:
                found.append(pattern)
            return
        n = 0
        while True:
            fill((*pattern, n), free)
            if not served[j] or not fits(asks[j], free):
                return
            free = [f - a for f, a in zip(free, asks[j], strict=True)]
            n += 1

    def fits(ask: Sequence[float], free: Sequence[float]) -> bool:
        return all(a <= f for a, f in zip(ask, free, strict=True))

    fill((), room)
    return found


def most_worth(
    worth: NDArray[np.float64], steps: Sequence[tuple[int, int]], room: tuple[int, int]
) -> tuple[float, NDArray[np.float64]]:
    """Return the highest worth that fits on one machine, and its jobs, with any number of each."""
    best = np.zeros((room[0] + 1, room[1] + 1))
    last = np.full(best.shape, -1)
    for cpus in range(room[0] + 1):
        for memory in range(room[1] + 1):
            for j, (c, m) in enumerate(steps):
                if c <= cpus and m <= memory and best[cpus - c, memory - m] + worth[j] > best[cpus, memory] + 1e-12:
                    best[cpus, memory], last[cpus, memory] = best[cpus - c, memory - m] + worth[j], j
    pattern, at = np.zeros(len(worth)), room
    while last[at] >= 0:
        j = int(last[at])
        pattern[j] += 1
        at = (at[0] - steps[j][0], at[1] - steps[j][1])
    return float(best[room]), pattern


def smallest(groups: Sequence[JobGroup], offer: Offer) -> int:
    """Return the exact number of machines by exhaustive search; for a handful of jobs."""
    asks = [(g.ask.cpus, g.ask.memory_mb) for g in groups]
    room = (offer.room.cpus, offer.room.memory_mb)

    @cache
    def fewest(left: tuple[int, ...]) -> int:
        if not any(left):
            return 0
        first = next(i for i, n in enumerate(left) if n)
        best = math.inf
        for rest in fillings(tuple(n - (i == first) for i, n in enumerate(left)), minus(room, asks[first]), first):
            best = min(best, 1 + fewest(rest))
        return int(best)

    def fillings(left: tuple[int, ...], free: tuple[float, float], start: int) -> set[tuple[int, ...]]:
        """Return the possible remainders after one machine that is filled up."""
        found: set[tuple[int, ...]] = set()
        for i in range(start, len(asks)):
            if left[i] and asks[i][0] <= free[0] and asks[i][1] <= free[1]:
                fewer = tuple(n - (j == i) for j, n in enumerate(left))
                found |= fillings(fewer, minus(free, asks[i]), i)
        return found or {left}

    return fewest(tuple(g.count for g in groups))


def minus(free: tuple[float, float], ask: tuple[float, float]) -> tuple[float, float]:
    """Return the room left."""
    return free[0] - ask[0], free[1] - ask[1]
