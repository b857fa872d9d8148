"""Custom resources are packed as others are, and requests that depend on the machine are reckoned on each."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.fit.share import FitSettings, plan_purchase
from factory.model.demand import Demand, JobGroup, Machine, Offer, Room
from factory.model.matches import Match
from factory.model.vm import VMState
from tests.rig.fit import demand, group, machine, offer, share, vm

SMALL, LARGE = offer("m5.large", 2, 8000), offer("m5.2xlarge", 8, 32_000)
MANY = 1_000.0


def with_custom(each: Offer, **amounts: float) -> Offer:
    return replace(each, room=replace(each.room, custom=tuple(sorted(amounts.items()))))


def asking(each: JobGroup, **amounts: float) -> JobGroup:
    return replace(each, ask=replace(each.ask, custom=tuple(sorted(amounts.items()))))


def bought(wanted: Demand, *offers: Offer) -> Counter[str]:
    return Counter(shape.instance_type for shape in plan_purchase(share(wanted, offers), FitSettings()).purchase.shapes)


@pytest.mark.parametrize(
    ("has", "asks", "machines"),
    [({"tape": 2}, {"tape": 1}, 3), ({"tape": 2}, {"tape": 2}, 6), ({"tape": 8}, {"tape": 1}, 1), ({}, {"tape": 1}, 1),
     ({"tape": 2}, {}, 1), ({"tape": 4, "licence": 1}, {"tape": 1, "licence": 0.5}, 3), ({"tape": 1}, {"tape": 2}, 0)],
)  # fmt: skip
def test_custom_resources_are_packed(has: dict[str, float], asks: dict[str, float], machines: int) -> None:
    shape = with_custom(LARGE, **has)
    assert bought(demand([asking(group("g", 1, 100, 6), **asks)], offers=[shape]), shape).total() == machines


def test_free_custom_resources_are_room() -> None:
    jobs = asking(group("g", 1, 100, 6), tape=1)
    slot = machine("a", 8, 32_000)
    for left, machines in ((0, 3), (2, 2), (6, 0)):
        free = replace(slot, free=replace(slot.free, custom=(("tape", left),)))
        shape = with_custom(LARGE, tape=2)
        assert bought(demand([jobs], [free], [shape]), shape).total() == machines
    assert bought(demand([jobs], [slot], [shape]), shape).total() == 0, "a resource that is not shown limits nothing"


def whole(count: int, asks: dict[str, Room], **more: object) -> tuple[JobGroup, dict[tuple[str, str], Match]]:
    """Jobs that take these rooms, by type or machine class."""
    jobs = replace(group("g", 1, 100, count), varies=True, **more)  # type: ignore[arg-type]
    return jobs, {("g", name): Match(ok=True, ask=room) for name, room in asks.items()}


WHOLE = {"m5.large": Room(2, 100, 1000), "m5.2xlarge": Room(8, 100, 1000), "k": Room(8, 100, 1000)}


def test_jobs_that_take_whole_machines_get_one_each_of_the_cheapest() -> None:
    jobs, matches = whole(4, WHOLE)
    assert bought(demand([jobs], offers=[SMALL, LARGE], no=matches), SMALL, LARGE) == {"m5.large": 4}
    assert bought(demand([jobs], offers=[LARGE], no=matches), LARGE) == {"m5.2xlarge": 4}


def test_jobs_that_take_whole_machines_need_empty_ones() -> None:
    jobs, matches = whole(4, WHOLE)
    up = [machine("a", 8, 32_000), machine("b", 7, 32_000)]
    assert bought(demand([jobs], up, [LARGE], matches), LARGE) == {"m5.2xlarge": 3}


def test_starting_machines_take_whole_machine_jobs() -> None:
    jobs, matches = whole(4, WHOLE)
    seen = share(demand([jobs], offers=[LARGE], no=matches), [LARGE], [vm(1, VMState.BOOTING, LARGE)])
    assert len(plan_purchase(seen, FitSettings()).purchase.order) == 3


def _room(cpus: int, gigabytes: int, tape: int | None) -> Room:
    return Room(cpus, gigabytes * 1000.0, 1000, 0, () if tape is None else (("tape", float(tape)),))


def test_requests_that_depend_on_the_machine_are_reckoned_where_the_machine_says_nothing() -> None:
    jobs, matches = whole(8, {"m5.large": Room(1, 1000, 1000)}, ask=Room(1, 8000, 1000))
    matches["g", "m5.2xlarge"] = Match(ok=True)
    eight = offer("m5.2xlarge", 8, 8000)
    assert bought(demand([jobs], offers=[eight], no=matches), eight) == {"m5.2xlarge": 8}


def test_custom_requests_that_depend_on_the_machine_are_packed() -> None:
    shape = with_custom(LARGE, tape=2)
    jobs, matches = whole(6, {"m5.2xlarge": Room(1, 100, 1000, 0, (("tape", 1),))}, custom=("tape",))
    assert bought(demand([jobs], offers=[shape], no=matches), shape) == {"m5.2xlarge": 3}


rooms = st.builds(_room, st.integers(1, 8), st.integers(1, 32), st.none() | st.integers(0, 4))
groups = st.lists(st.tuples(rooms, st.integers(1, 20)), min_size=1, max_size=5)


few = st.lists(st.tuples(rooms, st.integers(1, 4)), min_size=1, max_size=4)
"""Problems that are solved exactly."""


def as_groups(made: list[tuple[Room, int]]) -> list[JobGroup]:
    return [
        JobGroup(f"g{i}", replace(ask, custom=tuple(c for c in ask.custom if c[1])), n)
        for i, (ask, n) in enumerate(made)
    ]


def cost(made: list[tuple[Room, int]], up: list[Room]) -> float:
    """Return the cost of the machines bought for these jobs beside machines with this room."""
    shapes = [with_custom(LARGE, tape=2), SMALL]
    machines = [Machine(f"m{i}", "k", room, room) for i, room in enumerate(up)]
    result = plan_purchase(share(demand(as_groups(made), machines, shapes), shapes), FitSettings())
    return sum(each.cost for each in result.purchase.offers)


@settings(max_examples=300, deadline=None)
@given(few, st.lists(rooms, max_size=4), rooms)
def test_machine_with_room_never_makes_more_to_be_bought(
    made: list[tuple[Room, int]], up: list[Room], more: Room
) -> None:
    assert cost(made, [*up, more]) <= cost(made, up)


@settings(max_examples=300, deadline=None)
@given(groups, st.lists(rooms, max_size=4), rooms)
def test_machine_with_room_makes_hardly_more_to_be_bought_for_many_jobs(
    made: list[tuple[Room, int]], up: list[Room], more: Room
) -> None:
    """A large problem is solved to within one machine or 2 %."""
    assert cost(made, [*up, more]) <= cost(made, up) * 1.02 + max(SMALL.cost, LARGE.cost)


@pytest.mark.parametrize(
    ("made", "least"),
    [([(_room(4, 5, 1), 3), (_room(2, 7, 1), 1)], 16), ([(_room(2, 14, None), 3), (_room(1, 5, 2), 3)], 20),
     ([(_room(1, 17, None), 2), (_room(1, 15, None), 2)], 16), ([(_room(8, 1, None), 1), (_room(2, 1, None), 1)], 10)],
)  # fmt: skip
def test_few_jobs_get_the_cheapest_machines(made: list[tuple[Room, int]], least: float) -> None:
    assert cost(made, []) == least


@settings(max_examples=300, deadline=None)
@given(groups)
def test_no_bought_machine_is_overfull(made: list[tuple[Room, int]]) -> None:
    shapes = [with_custom(LARGE, tape=2), with_custom(SMALL, tape=1)]
    wanted = as_groups(made)
    purchase = plan_purchase(share(demand(wanted, offers=shapes), shapes), FitSettings()).purchase
    for shape, filling in zip(purchase.offers, purchase.order, strict=True):
        used: Counter[str] = Counter()
        for number, jobs in purchase.fillings[filling]:
            ask = purchase.classes[number][0].ask
            used.update(
                {"cpus": ask.cpus * jobs, "memory": ask.memory_mb * jobs, **{k: v * jobs for k, v in ask.custom}}
            )
        assert used["cpus"] <= shape.room.cpus
        assert used["memory"] <= shape.room.memory_mb
        assert used["tape"] <= shape.room.of("tape")
    served = sum(purchase.covers(len(purchase.order)).values()) + sum(purchase.unserved.values())
    assert served == sum(each.count for each in wanted)
