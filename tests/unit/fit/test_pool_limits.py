"""Limits of the pool: jobs that would start, and no purchase for the others."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.decide.cascade import _mark_unserved
from factory.decide.chain import Chain, run_chain
from factory.fit.pool_limits import apply_limits
from factory.model.demand import Limit
from factory.model.memory import FitMemory, Newcomer, Waiting
from factory.model.status import WmsStatus
from plugins.sched.fit import Fit
from tests.rig.chains import plugin
from tests.rig.fit import NOW, demand, group, machine, offer, share, view

SHAPE = offer()
A, B = group("a", 1, 2000, 10), group("b", 1, 2000, 4)


@pytest.mark.parametrize(
    ("left", "weights", "strict", "beyond"),
    [
        (14, {"a": 1, "b": 1}, True, {}),
        (0, {"a": 1, "b": 1}, True, {"a": 10, "b": 4}),
        (-3, {"a": 1}, False, {"a": 10}),
        (6, {"a": 1, "b": 1}, True, {"a": 7, "b": 1}),
        (10, {"a": 1, "b": 1}, True, {"a": 4}),
        (7, {"a": 1, "b": 1}, True, {"a": 6, "b": 1}),
        (7, {"a": 2}, True, {"a": 7}),
        (7, {"a": 2}, False, {"a": 6}),
        (5, {"a": 4, "b": 1}, True, {"a": 9, "b": 3}),
        (3, {"a": 4, "b": 1}, True, {"a": 10, "b": 1}),
        (5, {"other": 1}, True, {}),
    ],
)
def test_groups_share_what_is_left_of_a_limit(
    left: float, weights: dict[str, float], strict: bool, beyond: dict[str, int]
) -> None:
    result = apply_limits([A, B], [Limit("licence", left, weights, strict)])
    assert result.beyond == beyond
    assert set(result.why) == set(beyond)


def test_all_limits_of_a_group_apply() -> None:
    limits = [Limit("x", 5, {"a": 1}), Limit("y", 6, {"a": 1, "b": 1})]
    result = apply_limits([A, B], limits)
    assert result.beyond == {"a": 7, "b": 1}
    assert result.why == {"a": "y", "b": "y"}


weights = st.dictionaries(st.sampled_from("abcde"), st.sampled_from([0.5, 1, 2, 3.5, 8]), min_size=1)
limits_ = st.lists(st.builds(Limit, st.text("xyz", max_size=3), st.floats(-2, 60), weights, st.booleans()), max_size=4)
counts_ = st.lists(st.integers(0, 30), min_size=5, max_size=5)


@given(limits_, counts_, st.randoms())
def test_keeps_all_limits_in_any_order_of_the_input(limits: list[Limit], counts: list[int], order: Any) -> None:
    limits = list({limit.name: limit for limit in limits}.values())
    groups = [group(name, 1, 1, count) for name, count in zip("abcde", counts, strict=True)]
    result = apply_limits(groups, limits)
    for limit in limits:
        took = {key: result.of(g) * limit.weights[key] for g in groups if (key := g.key) in limit.weights}
        over = max((limit.weights[key] for key, n in took.items() if n), default=0)
        assert sum(took.values()) <= max(0, limit.left) + (0 if limit.strict else over) + 1e-6
    if not limits:
        assert not result.beyond
    shuffled, limits = groups[:], limits[:]
    order.shuffle(shuffled)
    order.shuffle(limits)
    assert apply_limits(shuffled, limits) == result


def decide(*limits: Limit, waiting: dict[str, Waiting] | None = None, machines: Any = ()) -> Chain:
    wanted = replace(demand([A, B], machines, [SHAPE]), limits=limits)
    return run_chain([plugin(Fit)], view(share(wanted, [SHAPE], waiting=waiting)))


def test_buys_nothing_beyond_a_limit_and_names_it() -> None:
    assert decide().ask.n == 2
    chain = decide(Limit("quota of physics, 3 of 3 cores in use", 0, {"a": 1, "b": 1}, strict=False))
    assert chain.ask.n == 0
    reason = "no jobs are waiting for a machine; 14 jobs exceed the quota of physics, 3 of 3 cores in use"
    assert chain.reason == f"Fit: {reason}"
    chain = decide(Limit("concurrency limit x, 0 of 4 in use", 4, {"a": 1}))
    assert chain.ask.n == 1
    assert "8 jobs are waiting" in chain.reason
    assert "6 jobs exceed the concurrency limit x, 0 of 4 in use" in chain.reason


def test_jobs_beyond_a_limit_are_not_stuck_and_get_no_probe() -> None:
    stuck = {key: Waiting(NOW - 9999, 10, stuck="no reason", stuck_since=NOW - 9000) for key in "ab"}
    limit = Limit("quota", 0, {"a": 1, "b": 1})
    assert decide(waiting=stuck).ask.n == 1
    assert decide(limit, waiting=stuck).ask.n == 0
    chain = decide(limit, waiting=stuck, machines=[machine("m", 4, 32_000)])
    assert chain.ask.n == 0
    assert "stuck" not in chain.reason
    assert chain.verdict is not None
    assert not any(chain.verdict.free.values())


def test_unclaimed_vm_marks_only_groups_within_limits_as_stuck() -> None:
    seen = Waiting(NOW - 900, 10)
    memory = FitMemory(waiting={"a": seen, "b": seen})
    wanted = replace(demand([A, B], [], [SHAPE]), limits=(Limit("quota", 0, {"a": 1}),))
    left = [Newcomer("Q", str(SHAPE.shape), NOW - 300)]
    after = _mark_unserved(memory, left, WmsStatus(demand=wanted), NOW)
    assert after.waiting["a"].stuck is None
    assert after.waiting["b"].stuck is not None
