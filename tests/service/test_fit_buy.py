"""Purchases need few machines and little money for any mix of jobs."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.fit.packing.purchase import Purchase, buy
from factory.fit.packing.vectors import vector
from factory.fit.share import FitSettings, plan_purchase
from factory.model.demand import JobGroup, Offer, Room
from factory.model.matches import Match
from factory.model.shape import Shape
from tests.rig.counting import counted
from tests.rig.fit import demand, group, machine, offer, share
from tests.unit.fit.bounds import config_bound, cost_bound, smallest, sum_bound


def bought(groups: list[JobGroup], *offers: Offer) -> Purchase:
    return buy(groups, {g.key: g.count for g in groups}, offers, lambda _group, _shape: True)


def matches(ok: Mapping[tuple[str, str], bool], jobs: JobGroup, shape: str) -> bool:
    return ok[jobs.key, shape]


def assert_holds(purchase: Purchase, groups: list[JobGroup]) -> None:
    """Assert that each machine has room for its jobs and all served jobs have a machine."""
    asks = [vector(members[0].ask) for members in purchase.classes]
    for its_offer, filling in set(zip(purchase.offers, purchase.order, strict=True)):
        taken = [sum(asks[j][d] * n for j, n in purchase.fillings[filling]) for d in range(4)]
        assert all(a <= b + 1e-6 for a, b in zip(taken, vector(its_offer.room), strict=True))
    served = {key: n for key, n in purchase.covers(len(purchase.order)).items() if n}
    assert served == {g.key: g.count for g in groups if g.key not in purchase.unserved}


CASES = [
    ("one core each", [(1, 1000, 10_000)], 1250),
    ("one job", [(1, 1000, 1)], 1),
    ("memory is scarce", [(1, 16_000, 10)], 5),
    ("a job fills a machine", [(8, 32_000, 3)], 3),
    ("large in cores, large in memory", [(7, 4000, 10), (1, 28_000, 10)], 10),
    ("three cores leave two", [(3, 1000, 4), (2, 1000, 2)], 2),
    ("parts of a core", [(0.5, 1000, 32)], 2),
]


@pytest.mark.parametrize(("jobs", "machines"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_number_of_machines_with_8_cores_and_32_gb(jobs: list[tuple[float, float, int]], machines: int) -> None:
    groups = [group(f"g{i}", *job) for i, job in enumerate(jobs)]
    purchase = bought(groups, offer())
    assert len(purchase.order) == machines
    assert_holds(purchase, groups)


def small_jobs(seed: int) -> Iterator[tuple[list[JobGroup], Offer]]:
    """Yield groups of at least 200 jobs that are small compared with the machine."""
    rng = random.Random(seed)
    while True:
        size = offer(cpus=rng.choice((8, 16, 32)), memory_mb=rng.choice((32_000, 64_000, 128_000)))
        top = int(size.room.memory_mb / 8)
        yield (
            [group(f"g{i}", rng.choice((1, 1, 2)), rng.randint(500, top), 1) for i in range(rng.randint(200, 300))],
            size,
        )


def awkward_jobs(seed: int) -> Iterator[tuple[list[JobGroup], Offer]]:
    """Yield groups of at least 200 jobs of about a dozen sizes, up to a whole machine."""
    rng = random.Random(seed)
    while True:
        size = offer(cpus=rng.choice((8, 16)), memory_mb=rng.choice((8000, 16_000, 32_000)))
        top = int(size.room.memory_mb // 500)
        yield (
            [
                group(f"g{i}", rng.choice((1, 2, 3, 5, 6, 8)), 500 * rng.randint(1, top), rng.randint(20, 60))
                for i in range(rng.randint(10, 14))
            ],
            size,
        )


def test_small_jobs_need_at_most_5_percent_above_their_total_request() -> None:
    for _, (groups, size) in zip(range(200), small_jobs(1), strict=False):
        purchase = bought(groups, size)
        assert_holds(purchase, groups)
        assert len(purchase.order) <= 1.05 * sum_bound(groups, size) + 1


def test_awkward_jobs_need_at_most_one_machine_above_the_bound() -> None:
    for _, (groups, size) in zip(range(120), awkward_jobs(2), strict=False):
        purchase = bought(groups, size)
        assert_holds(purchase, groups)
        assert len(purchase.order) <= config_bound(groups, size, step_mb=500) + 1


def test_mixed_resources_and_shapes_cost_at_most_5_percent_above_the_bound() -> None:
    """One machine more than that is allowed, for the remainder when all others are full."""
    rng, above = random.Random(3), []
    for _ in range(60):
        offers = [
            Offer(
                Shape("ami", f"t{i}"),
                Room(rng.choice((4, 8)), rng.choice((8000, 16_000, 32_000)), 1e7, rng.choice((0, 0, 2))),
                round(rng.uniform(0.1, 2), 3),
            )
            for i in range(rng.randint(2, 4))
        ]
        asks = [
            Room(rng.choice((1, 1, 2, 3)), rng.randint(1000, 8000), rng.randint(1000, 4_000_000), rng.choice((0, 0, 1)))
            for _ in range(rng.randint(3, 7))
        ]
        groups = [JobGroup(f"g{i}", ask, rng.randint(20, 80), f"o{i % 4}") for i, ask in enumerate(asks)]
        ok = {(g.key, str(o.shape)): rng.random() < 0.8 for g in groups for o in offers}
        groups = [g for g in groups if any(ok[g.key, str(o.shape)] and o.room.holds(g.ask) for o in offers)]
        if not groups:
            continue
        fits = partial(matches, ok)
        purchase = buy(groups, {g.key: g.count for g in groups}, offers, fits)
        assert_holds(purchase, groups)
        bound = cost_bound(groups, offers, ok)
        assert purchase.cost >= bound - 1e-6, "the bound is wrong"
        above.append((purchase.cost - max(offer.cost for offer in purchase.offers)) / bound)
    assert len(above) > 40
    assert max(above) <= 1.05


def test_random_mix_of_thousands_of_jobs_takes_little_work() -> None:
    """Large machines hold dozens of kinds of jobs; an unlimited search took fifty times the work."""
    sizes = [(64, 256_000), (72, 133_000), (16, 64_000), (36, 66_000), (8, 64_000)]
    for kinds, shapes in ((400, 1), (2000, 1), (1000, 5), (400, 5)):
        rng = random.Random(kinds)
        offers = [offer(f"t{i}", *size, price=rng.uniform(0.5, 2)) for i, size in enumerate(sizes[:shapes])]
        groups = [
            group(f"g{i}", rng.choice((1, 1, 2, 3, 4)), rng.randint(500, 15_000), rng.randint(1, 200), f"o{i % 40}")
            for i in range(kinds)
        ]
        purchase, calls = counted(partial(bought, groups, *offers))
        assert calls < 400_000
        assert_holds(purchase, groups)


JOBS = st.lists(
    st.tuples(st.sampled_from((1, 2, 3, 4, 5, 8)), st.integers(1, 16).map(lambda n: 2000 * n), st.integers(1, 3)),
    min_size=1,
    max_size=4,
)


JOBS_OF_ONE_KIND = (
    st.sampled_from((1, 2, 3, 4, 5, 8)), st.integers(1, 16).map(lambda n: 2000 * n), st.integers(1, 20)
)  # fmt: skip


@given(JOBS)
@settings(deadline=None)
def test_handful_of_jobs_needs_at_most_one_machine_above_the_optimum(jobs: list[tuple[int, int, int]]) -> None:
    groups = [group(f"g{i}", *job) for i, job in enumerate(jobs)]
    purchase = bought(groups, offer())
    assert_holds(purchase, groups)
    fewest = smallest(groups, offer())
    assert config_bound(groups, offer(), step_mb=2000) <= fewest, "the bound is wrong"
    assert fewest <= len(purchase.order) <= fewest + 1


@given(JOBS, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_purchase_is_independent_of_the_order_of_groups_and_offers(
    jobs: list[tuple[int, int, int]], rng: random.Random
) -> None:
    groups = [group(f"g{i}", *job, owner=f"o{i % 2}") for i, job in enumerate(jobs)]
    offers = [offer("a", 2, 8000, 0.1), offer("b", 8, 32_000, 0.35), offer("c", 4, 32_000, 0.3)]
    first = bought(groups, *offers)
    rng.shuffle(groups)
    rng.shuffle(offers)
    second = bought(groups, *offers)
    assert first.offers == second.offers
    assert [first.covers(n) for n in range(4)] == [second.covers(n) for n in range(4)]


@given(JOBS, st.integers(0, 3), st.integers(1, 20))
@settings(deadline=None)
def test_more_jobs_of_one_kind_never_need_fewer_machines(
    jobs: list[tuple[int, int, int]], which: int, more: int
) -> None:
    groups = [group(f"g{i}", *job) for i, job in enumerate(jobs)]
    grown = [
        group(g.key, g.ask.cpus, g.ask.memory_mb, g.count + more * (i == which % len(groups)))
        for i, g in enumerate(groups)
    ]
    assert len(bought(grown, offer()).order) >= len(bought(groups, offer()).order)


SHAPES = [
    offer("a", 2, 8000, 0.1),
    offer("b", 8, 32_000, 0.35),
    offer("c", 4, 32_000, 0.3),
    offer("d", 16, 32_000, 0.5),
]
MACHINES = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 16).map(lambda n: 2000 * n)), max_size=8)


@given(
    JOBS, st.integers(0, 3), st.integers(0, 20), st.tuples(*JOBS_OF_ONE_KIND), MACHINES, st.integers(1, 4), st.data()
)
@settings(deadline=None)
def test_more_jobs_stay_served_and_save_at_most_one_machine(
    jobs: list[tuple[int, int, int]],
    which: int,
    more: int,
    new: tuple[int, int, int],
    machines: list[tuple[int, int]],
    shapes: int,
    data: st.DataObject,
) -> None:
    """Machines are filled well but not perfectly, so one more job sometimes leads to a better filling."""
    groups = [group(f"g{i}", *job) for i, job in enumerate(jobs)]
    grown = [replace(g, count=g.count + more * (i == which % len(groups))) for i, g in enumerate(groups)]
    grown.append(group("new", *new))
    there = [machine(f"m{i}", cpus, memory) for i, (cpus, memory) in enumerate(machines)]
    no = {
        key: data.draw(st.sampled_from([Match(ok=True), Match(ok=False)]))
        for key in product([g.key for g in grown], "kabcd")
    }
    offers = SHAPES[:shapes]

    def cost(some: list[JobGroup]) -> float:
        result = plan_purchase(share(demand(some, there, offers, no), offers), FitSettings())
        covered = result.purchase.covers(len(result.purchase.order))
        for g in some:
            if any(no[g.key, o.shape.instance_type].ok and o.room.holds(g.ask) for o in offers):
                assert covered.get(g.key, 0) == result.left.get(g.key, 0)
        return result.purchase.cost

    assert cost(grown) >= cost(groups) - max(o.cost for o in offers) - 1e-9


def test_buys_the_shape_with_the_least_cost_per_job() -> None:
    small, large = offer("small", 2, 8000, price=0.10), offer("large", 8, 32_000, price=0.30)
    assert Counter(o.shape.instance_type for o in bought([group("g", 1, 1000, 80)], small, large).offers) == {
        "large": 10
    }
    assert Counter(o.shape.instance_type for o in bought([group("g", 1, 1000, 1)], small, large).offers) == {"small": 1}
    assert Counter(o.shape.instance_type for o in bought([group("g", 4, 1000, 1)], small, large).offers) == {"large": 1}
    mixed = bought([group("g", 1, 1000, 81)], small, large)
    assert Counter(o.shape.instance_type for o in mixed.offers) == {"large": 10, "small": 1}


def test_cores_stand_for_unknown_prices() -> None:
    narrow, wide = offer("narrow", 2, 16_000), offer("wide", 8, 16_000)
    assert {o.shape.instance_type for o in bought([group("g", 1, 8000, 20)], narrow, wide).offers} == {"narrow"}


def test_names_jobs_that_fit_no_shape_and_buys_nothing_for_them() -> None:
    purchase = bought([group("huge", 1, 512_000, 12), group("g", 1, 1000, 8)], offer())
    assert purchase.unserved == {"huge": 12}
    assert len(purchase.order) == 1


def test_most_valuable_machines_come_first() -> None:
    purchase = bought([group("g", 1, 1000, 17)], offer())
    assert [sum(n for _, n in purchase.fillings[filling]) for filling in purchase.order] == [8, 8, 1]
    assert purchase.covers(2) == {"g": 16}


def test_owners_take_turns_under_a_cap() -> None:
    groups = [group("a", 8, 32_000, 100, owner="ann"), group("b", 4, 32_000, 10, owner="bob")]
    purchase = bought(groups, offer())
    assert purchase.covers(6) == {"a": 3, "b": 3}
    same = bought([group("a", 1, 1000, 800, owner="ann"), group("b", 1, 1000, 80, owner="bob")], offer())
    assert same.covers(10) == {"a": 40, "b": 40}


def test_equal_shapes_take_turns_the_rarest_first() -> None:
    zones = [Offer(type(o.shape)(o.shape.image, "t", zone), o.room) for zone in "ab" for o in [offer()]]
    purchase = buy([group("g", 8, 1000, 4)], {"g": 4}, zones, lambda _g, _s: True, {str(zones[0].shape): 2})
    assert [o.shape.zone for o in purchase.offers] == ["b", "b", "a", "b"]


def test_job_that_requests_nothing_takes_a_core() -> None:
    assert len(bought([group("g", 0, 0, 16)], Offer(offer().shape, offer().room)).order) >= 1
