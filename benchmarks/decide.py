"""How long the decision takes: job groups are placed on machines, and machines are bought for the rest."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from factory.fit.model import Demand, JobGroup, Machine, Match, Offer, Room
from factory.fit.share import Share, Terms, judge
from factory.fit.supply import Supply
from factory.model import Shape

KINDS = 5


def world(groups: int, shapes: int, machines: int, seed: int = 1) -> Share:
    """Groups of 1 to 200 jobs that ask for anything up to 8 cores and 8 GB; machines that are partly free."""
    rng = random.Random(seed)
    jobs = tuple(
        JobGroup(
            f"g{i}", Room(rng.choice((1, 2, 4, 8)), rng.randint(500, 8000), 1000), rng.randint(1, 200), f"u{i % 40}"
        )
        for i in range(groups)
    )
    there = tuple(
        Machine(
            f"slot1@m{i}", f"k{i % KINDS}", Room(rng.choice((0, 1, 2, 3, 8)), rng.randint(0, 32_000), 1e6),
            Room(8, 32_000, 1e6),
        )
        for i in range(machines)
    )  # fmt: skip
    sizes = [2 ** (i % 5 + 1) for i in range(shapes)]
    offers = tuple(
        Offer(Shape("ami-1", f"t{i}"), Room(cpus, 4000 * cpus, 1e9), 0.05 * cpus * (1 + i / 100))
        for i, cpus in enumerate(sizes)
    )
    yes = Match(ok=True)
    demand = Demand(
        jobs,
        there,
        {(group.key, f"k{kind}"): yes for group in jobs for kind in range(KINDS)},
        {(group.key, str(offer.shape)): yes for group in jobs for offer in offers},
    )
    return Share(Supply(demand, offers={str(offer.shape): offer for offer in offers}, now=0), offers)


def decide_ms(groups: int = 1000, shapes: int = 10, machines: int = 5000, times: int = 5) -> float:
    """The shortest of some runs, in milliseconds."""

    def runs() -> Iterator[float]:
        for _ in range(times):
            share = world(groups, shapes, machines)
            started = time.perf_counter()
            judge(share, Terms())
            yield (time.perf_counter() - started) * 1000

    return min(runs())


if __name__ == "__main__":
    for size in ((10, 10, 5000), (100, 10, 5000), (1000, 10, 500), (1000, 10, 5000)):
        groups, shapes, machines = size
        print(f"{groups:4} groups × {shapes} shapes × {machines:4} machines: {decide_ms(*size):5.0f} ms")
