"""Join the demands of several schedds, each with its own reading of the pool."""

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


def joined(ours: Machine, theirs: Machine) -> Demand:
    return join_demands([demand([A], [ours], [SHAPE]), demand([B], [theirs], [SHAPE])])


def test_single_demand_is_unchanged() -> None:
    alone = demand([A], [machine("m", 8, 32_000)], [SHAPE])
    assert join_demands([alone]) is alone


def test_joins_groups_and_counts_and_lists_each_machine_once() -> None:
    first = replace(demand([A], [machine("m", 8, 32_000)], [SHAPE]), excluded={"deferred": 1}, others={2: 5})
    second = replace(demand([B], [machine("m", 8, 32_000), machine("n", 4, 8_000)]), excluded={"deferred": 2})
    both = join_demands([first, second])
    assert both.groups == (A, B)
    assert [each.name for each in both.machines] == ["m", "n"]
    assert (both.excluded, both.others) == ({"deferred": 3}, {2: 5})


def test_largest_free_room_counts() -> None:
    (both,) = joined(machine("m", 8, 1_000), machine("m", 2, 9_000)).machines
    assert (both.free.cpus, both.free.memory_mb) == (8, 9_000)


def test_machine_is_leaving_if_one_reading_says_so() -> None:
    (both,) = joined(machine("m", 8, 1_000), machine("m", 8, 1_000, retiring=True)).machines
    assert both.retiring


def test_group_uses_the_matches_of_its_own_schedd() -> None:
    first = demand([A], [machine("m", 8, 32_000, kind="x")], [SHAPE], {("a", "x"): NO})
    second = demand([B], [machine("m", 8, 32_000, kind="y"), machine("n", 8, 32_000, kind="z")], [SHAPE])
    both = join_demands([first, second])
    placed = place_on_machines(both.groups, both.machines, lambda g, k: both.on_kinds.get((g.key, k), NO).ok)
    assert placed.left == {"a": 10, "b": 0}
    assert {(key[0], match.ok) for key, match in both.on_kinds.items()} == {("a", False), ("b", True)}
    assert both.surely_served("a")
    assert not join_demands([first, replace(second, on_shapes={("b", str(SHAPE.shape)): NO})]).surely_served("b")


def test_schedds_share_what_is_left_of_a_limit() -> None:
    first = replace(demand([A]), limits=(Limit("ceiling of x, 3 of 8 in use", 5, {"a": 1}, of="ceiling of x"),))
    second = replace(demand([B]), limits=(Limit("ceiling of x, 4 of 8 in use", 4, {"b": 1}, of="ceiling of x"),))
    both = join_demands([first, second])
    (limit,) = both.limits
    assert (limit.left, limit.weights) == (4, {"a": 1, "b": 1})
    startable = apply_limits(both.groups, both.limits)
    assert startable.of(A) + startable.of(B) == 4


def test_custom_resources_that_only_one_schedd_reads_stay_limited() -> None:
    """A schedd without jobs that request a resource does not read it."""
    slot = machine("a", 8, 32_000)
    read = replace(
        slot, free=replace(slot.free, custom=(("tape", 0),)), total=replace(slot.total, custom=(("tape", 2),))
    )
    for first, second in ((read, slot), (slot, read)):
        (joined,) = join_demands([demand([], [first]), demand([], [second])]).machines
        assert (joined.free.custom, joined.total.custom) == ((("tape", 0),), (("tape", 2),))
