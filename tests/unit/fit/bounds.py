"""Lower bounds on how many machines a packing needs: what no packing can undercut."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from factory.fit.packing.vectors import vector
from factory.model.demand import JobGroup, Offer


def sum_bound(groups: Sequence[JobGroup], offer: Offer) -> int:
    """In no dimension fewer machines than what is asked for in all."""
    cpus = sum(g.ask.cpus * g.count for g in groups) / offer.room.cpus
    memory = sum(g.ask.memory_mb * g.count for g in groups) / offer.room.memory_mb
    return math.ceil(max(cpus, memory) - 1e-9)


def config_bound(groups: Sequence[JobGroup], offer: Offer, step_mb: int) -> int:
    """The least number of machines by :func:`ways_bound`, with memory in steps."""
    steps = [(int(g.ask.cpus), int(g.ask.memory_mb) // step_mb) for g in groups]
    room = (int(offer.room.cpus), int(offer.room.memory_mb) // step_mb)
    most = [float(min(room[0] // max(c, 1), room[1] // max(m, 1))) for c, m in steps]

    def best(worth: Worth) -> tuple[float, Worth, float]:
        value, way = most_worth(worth, steps, room)
        return value, way, 1.0

    return math.ceil(ways_bound([g.count for g in groups], most, [1.0] * len(groups), best) - 1e-6)


def cost_bound(groups: Sequence[JobGroup], offers: Sequence[Offer], ok: Mapping[tuple[str, str], bool]) -> float:
    """The least cost by :func:`ways_bound`, in all dimensions; machines must be small, for all ways are looked at."""
    ways, costs = [], []
    for offer in offers:
        served = [ok[g.key, str(offer.shape)] for g in groups]
        found = fillings_of([vector(g.ask) for g in groups], vector(offer.room), served)
        ways += found
        costs += [offer.cost] * len(found)
    jobs, cost = np.array(ways, dtype=float), np.array(costs)
    alone = [
        max((way[j] / cost[i], way[j], cost[i]) for i, way in enumerate(jobs) if way[j]) for j in range(len(groups))
    ]

    def best(worth: Worth) -> tuple[float, Worth, float]:
        value = jobs @ worth / cost
        i = int(value.argmax())
        return float(value[i]), jobs[i], float(cost[i])

    return ways_bound([g.count for g in groups], [n for _, n, _ in alone], [c for _, _, c in alone], best)


Worth = NDArray[np.float64]


def ways_bound(
    counts: Sequence[int],
    alone: Sequence[float],
    costs: Sequence[float],
    best: Callable[[Worth], tuple[float, Worth, float]],
) -> float:
    """The linear relaxation over all ways to fill a machine, the strongest bound there is.

    Any worths of jobs give a bound: what all jobs are worth, by the most that one machine can hold for its cost
    (Farley, "A note on bounding a class of linear programming problems", 1990). Exchanging ways to fill a machine finds
    good ones.

    Args:
        counts: Jobs of each group.
        alone: How many of each fit on a machine for themselves.
        costs: And what that machine costs.
        best: Worths → the most that a machine holds for its cost, the jobs, and the cost.
    """
    jobs, ways, cost_of = np.array(counts, dtype=float), np.diag(np.array(alone)), np.array(costs)
    odd = jobs + np.linspace(0.001, 0.01, len(jobs))  # without ties the exchange can't go round in circles
    bound = 0.0
    for _ in range(300):
        worth = np.linalg.solve(ways.T, cost_of)
        most, way, cost = best(np.maximum(worth, 0))
        bound = max(bound, float(np.maximum(worth, 0) @ jobs) / max(most, 1))
        if worth.min() < -1e-9:  # room for more jobs of a kind than there are costs nothing
            way, cost = np.zeros(len(jobs)), 0.0
            way[worth.argmin()] = -1
        elif most <= 1 + 1e-9:
            break
        direction, amounts = np.linalg.solve(ways, way), np.linalg.solve(ways, odd)
        ratio = np.where(direction > 1e-9, amounts / np.where(direction > 1e-9, direction, 1), np.inf)
        out = int(ratio.argmin())
        ways[:, out], cost_of[out] = way, cost
    return bound


def fillings_of(
    asks: Sequence[Sequence[float]], room: Sequence[float], served: Sequence[bool]
) -> list[tuple[int, ...]]:
    """All ways to fill a machine to which no job can be added."""
    found: list[tuple[int, ...]] = []

    def fill(way: tuple[int, ...], free: Sequence[float]) -> None:
        j = len(way)
        if j == len(asks):
            more = [ask for ask, yes in zip(asks, served, strict=True) if yes and fits(ask, free)]
            if any(way) and not more:
                found.append(way)
            return
        n = 0
        while True:
            fill((*way, n), free)
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
    """The highest worth that fits on one machine, and the jobs; job by job, any number of each."""
    best = np.zeros((room[0] + 1, room[1] + 1))
    last = np.full(best.shape, -1)
    for cpus in range(room[0] + 1):
        for memory in range(room[1] + 1):
            for j, (c, m) in enumerate(steps):
                if c <= cpus and m <= memory and best[cpus - c, memory - m] + worth[j] > best[cpus, memory] + 1e-12:
                    best[cpus, memory], last[cpus, memory] = best[cpus - c, memory - m] + worth[j], j
    way, at = np.zeros(len(worth)), room
    while last[at] >= 0:
        j = int(last[at])
        way[j] += 1
        at = (at[0] - steps[j][0], at[1] - steps[j][1])
    return float(best[room]), way


def smallest(groups: Sequence[JobGroup], offer: Offer) -> int:
    """The exact number of machines, by trying all; for a handful of jobs."""
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
        """What may be left after a machine that takes as much as it can."""
        found: set[tuple[int, ...]] = set()
        for i in range(start, len(asks)):
            if left[i] and asks[i][0] <= free[0] and asks[i][1] <= free[1]:
                fewer = tuple(n - (j == i) for j, n in enumerate(left))
                found |= fillings(fewer, minus(free, asks[i]), i)
        return found or {left}

    return fewest(tuple(g.count for g in groups))


def minus(free: tuple[float, float], ask: tuple[float, float]) -> tuple[float, float]:
    """What is left."""
    return free[0] - ask[0], free[1] - ask[1]
