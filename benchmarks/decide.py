"""``python -m benchmarks.decide``: measure the time of a decision for generated jobs, shapes and machines.

Uniform jobs reach the lower bound with the first packing. Jobs with random requests, on shapes of random size and
price, make it search.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from factory.fit.share import FitSettings, Share, plan_purchase
from factory.fit.supply import Supply
from factory.model.demand import Demand, JobGroup, Machine, Offer, Room
from factory.model.matches import Match, Matches
from factory.model.shape import Shape

_KINDS = 20
_OK = Match(ok=True)


@dataclass(frozen=True, slots=True)
class Size:
    """Size of a decision."""

    groups: int
    shapes: int
    machines: int
    sizes: Sequence[Room] = ()
    """Rooms of the shapes; empty: random."""

    def __str__(self) -> str:
        return f"{self.groups:,} groups × {self.shapes} shapes × {self.machines:,} machines"


USUAL = Size(1000, 10, 5000)
LARGE = Size(400, 1, 5000, (Room(72, 133_000, 1e8),))
MANY = Size(2000, 1, 5000, (Room(64, 256_000, 1e8),))
"""Machines that hold dozens of kinds of jobs at once."""


def uniform(size: Size) -> Share:
    """Return jobs whose requests grow in steps, on shapes of equal proportions."""
    jobs = [
        JobGroup(f"g{i}", Room(1 + i % 8, 500 + 37 * i % 9000, 1000), 20 + i % 90, owner=f"o{i % 7}")
        for i in range(size.groups)
    ]
    offers = [
        Offer(Shape("ami", f"t{i}"), Room(2 + 2 * i, 4000 * (1 + i), 1e8), price=0.05 * (1 + i))
        for i in range(size.shapes)
    ]
    room = [
        Machine(f"m{i}", f"k{i % _KINDS}", Room(i % 9, 1000 * (i % 17), 1e7), Room(8, 16_000, 1e7))
        for i in range(size.machines)
    ]
    return _share(jobs, offers, room)


def mixed(size: Size, seed: int) -> Share:
    """Return jobs with random requests, including disk and GPUs, on shapes of random size and price."""
    rng = random.Random(seed)
    jobs = [
        JobGroup(
            f"g{i}",
            Room(
                rng.choice((1, 1, 1, 2, 3, 4, 6, 8)), rng.randint(500, 15_000), rng.randint(1000, 2_000_000),
                rng.choice((0,) * 9 + (1,)) if size.shapes > 1 else 0,
            ),
            rng.randint(1, 200), owner=f"o{i % 40}",
        )
        for i in range(size.groups)
    ]  # fmt: skip
    rooms = size.sizes or [
        Room(
            rng.choice((2, 4, 8, 16, 32, 48, 64)), 1000 * rng.choice((4, 8, 16, 32, 64, 128, 256)),
            rng.choice((1e7, 1e8)), rng.choice((0, 0, 1, 4)),
        )
        for _ in range(size.shapes)
    ]  # fmt: skip
    offers = [Offer(Shape("ami", f"t{i}"), room, round(rng.uniform(0.05, 4), 4)) for i, room in enumerate(rooms)]
    there = [
        Machine(
            f"m{i}", f"k{rng.randrange(_KINDS)}", Room(rng.randint(0, 8), rng.randint(0, 32_000), 1e7),
            Room(8, 32_000, 1e7),
        )
        for i in range(size.machines)
    ]  # fmt: skip
    return _share(jobs, offers, there)


def _share(jobs: Sequence[JobGroup], offers: Sequence[Offer], machines: Sequence[Machine]) -> Share:
    kinds, names = [f"k{i}" for i in range(_KINDS)], [str(offer.shape) for offer in offers]
    demand = Demand(
        tuple(jobs), tuple(machines),
        Matches({group.key: (_OK,) * len(kinds) for group in jobs}, kinds),
        Matches({group.key: (_OK,) * len(names) for group in jobs}, names),
    )  # fmt: skip
    return Share(Supply(demand, offers={str(offer.shape): offer for offer in offers}, now=1e9), tuple(offers))


def decide_s(share: Share, tries: int = 5) -> float:
    """Return the time of the fastest of several decisions, in seconds."""

    def once() -> float:
        started = time.perf_counter()
        plan_purchase(replace(share), FitSettings())
        return time.perf_counter() - started

    return min(once() for _ in range(tries))


def slowest_s(size: Size, seeds: int = 5) -> float:
    """Return the time of the slowest of several random mixes, in seconds."""
    return max(decide_s(mixed(size, seed)) for seed in range(seeds))


if __name__ == "__main__":
    print(f"{USUAL}, uniform: {1000 * decide_s(uniform(USUAL)):.0f} ms")
    for one in (USUAL, LARGE, MANY):
        print(f"{one}, random: {1000 * slowest_s(one):.0f} ms")
