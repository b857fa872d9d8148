"""What several schedds say, each with its own look at the pool, is one demand."""

from dataclasses import replace

from factory.fit.join_schedds import join_demands
from factory.fit.place import place_on_machines
from factory.fit.pool_limits import apply_limits
from factory.model.demand import Demand, Limit, Machine
from factory.model.matches import Match
from tests.rig.fit import demand, group, machine, offer

SHAPE = offer()
A, B = group("a", 1, 1000, 10), group("b", 1, 1000, 4)
NO = Match(ok=False, why="no")


def looks(ours: Machine, theirs: Machine) -> Demand:
    return join_demands([demand([A], [ours], [SHAPE]), demand([B], [theirs], [SHAPE])])


def test_a_demand_alone_is_itself() -> None:
    alone = demand([A], [machine("m", 8, 32_000)], [SHAPE])
    assert join_demands([alone]) is alone


def test_groups_and_counts_add_up_and_each_machine_is_there_once() -> None:
    first = replace(demand([A], [machine("m", 8, 32_000)], [SHAPE]), excluded={"deferred": 1}, others={2: 5})
    second = replace(demand([B], [machine("m", 8, 32_000), machine("n", 4, 8_000)]), excluded={"deferred": 2})
    both = join_demands([first, second])
    assert both.groups == (A, B)
    assert [each.name for each in both.machines] == ["m", "n"]
    assert (both.excluded, both.others) == ({"deferred": 3}, {2: 5})


def test_the_most_room_that_was_seen_free_counts() -> None:
    (seen,) = looks(machine("m", 8, 1_000), machine("m", 2, 9_000)).machines
    assert (seen.free.cpus, seen.free.memory_mb) == (8, 9_000)


def test_a_machine_that_one_saw_leaving_leaves() -> None:
    (seen,) = looks(machine("m", 8, 1_000), machine("m", 8, 1_000, leaving=True)).machines
    assert seen.leaving


def test_each_groups_jobs_go_where_its_own_schedd_says() -> None:
    first = demand([A], [machine("m", 8, 32_000, kind="x")], [SHAPE], {("a", "x"): NO})
    second = demand([B], [machine("m", 8, 32_000, kind="y"), machine("n", 8, 32_000, kind="z")], [SHAPE])
    both = join_demands([first, second])
    placed = place_on_machines(both.groups, both.machines, lambda g, k: both.on_kinds.get((g.key, k), NO).ok)
    assert placed.left == {"a": 10, "b": 0}
    assert {(key[0], match.ok) for key, match in both.on_kinds.items()} == {("a", False), ("b", True)}
    assert both.surely_served("a")
    assert not join_demands([first, replace(second, on_shapes={("b", str(SHAPE.shape)): NO})]).surely_served("b")


def test_what_is_left_of_a_limit_is_left_for_the_jobs_of_all() -> None:
    first = replace(demand([A]), limits=(Limit("ceiling of x, 3 of 8 in use", 5, {"a": 1}, of="ceiling of x"),))
    second = replace(demand([B]), limits=(Limit("ceiling of x, 4 of 8 in use", 4, {"b": 1}, of="ceiling of x"),))
    both = join_demands([first, second])
    (limit,) = both.limits
    assert (limit.left, limit.weights) == (4, {"a": 1, "b": 1})
    within = apply_limits(both.groups, both.limits)
    assert within.of(A) + within.of(B) == 4
