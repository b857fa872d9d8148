"""A no that only machines have shown is doubted by a probe, less and less often."""

from dataclasses import replace

import pytest

from factory.fit.doubts import due_doubts, update_doubts
from factory.fit.share import FitSettings, plan_purchase
from factory.model.matches import Match
from factory.model.memory import Doubt
from factory.model.vm import VMState
from tests.rig.fit import demand, group, offer, share, vm

HOUR = 3600.0
LEARNED = Match(ok=False, learned=True, why="Requirements of the job: TARGET.HasMount is false")
NO = Match(ok=False, why="Requirements of the job: TARGET.HasMount is false")
SMALL, LARGE = offer("m5.large", 2, 8000), offer("m5.2xlarge", 8, 32_000)
NAME = f" {SMALL.shape}: {LEARNED.why}"


def test_waits_an_hour_then_twice_as_long_each_time_up_to_a_day() -> None:
    memory: dict[str, Doubt] = {}
    times = []
    for minute in range(10 * 24 * 60):
        now = minute * 60.0
        due = due_doubts(memory, "Q", now)
        if due:
            times.append(now / HOUR)
        memory = update_doubts(memory, "Q", ["a"], next(iter(due), None), now)
    assert [round(b - a) for a, b in zip([0.0, *times], times, strict=False)][:8] == [1, 2, 4, 8, 16, 24, 24, 24]


def test_a_queue_buys_one_such_probe_an_hour() -> None:
    memory = update_doubts(update_doubts({}, "Q", ["a", "b"], None, 0), "R", ["c"], None, 0)
    assert due_doubts(memory, "Q", HOUR - 1) == ()
    assert due_doubts(memory, "Q", HOUR) == ("a", "b")
    memory = update_doubts(memory, "Q", ["a", "b"], "a", HOUR)
    assert due_doubts(memory, "Q", 2 * HOUR - 1) == ()
    assert due_doubts(memory, "R", HOUR) == ("c",)
    assert due_doubts(memory, "Q", 2 * HOUR) == ("b",)


def test_remembers_a_doubt_for_two_days_without_jobs() -> None:
    memory = update_doubts({}, "Q", ["a"], None, 0)
    assert update_doubts(memory, "Q", [], None, 47 * HOUR) == memory
    assert update_doubts(memory, "Q", [], None, 49 * HOUR) == {}


def test_probes_one_machine_of_the_shape() -> None:
    jobs = group("g", 1, 1000, 9)
    wanted = demand([jobs], offers=[SMALL, LARGE], no={("g", "m5.large"): LEARNED, ("g", "m5.2xlarge"): NO})
    seen = share(wanted, [SMALL, LARGE])
    result = plan_purchase(seen, FitSettings())
    assert not result.purchase.order
    assert (result.doubts, result.doubted) == (frozenset({NAME}), None)
    assert result.purchase.unserved == {"g": 9}
    result = plan_purchase(replace(seen, due_doubts=("other", NAME)), FitSettings())
    assert [shape.instance_type for shape in result.purchase.shapes] == ["m5.large"]
    assert (result.probing, result.doubted, result.purchase.unserved) == (("g",), NAME, {"g": 9})


@pytest.mark.parametrize("cpus", [1, 4])
def test_doubts_nothing_for_jobs_that_run_elsewhere_or_that_are_too_large(cpus: float) -> None:
    jobs = group("g", cpus, 1000, 9)
    no = {("g", "m5.large"): LEARNED, **({("g", "m5.2xlarge"): NO} if cpus == 4 else {})}
    seen = share(demand([jobs], offers=[SMALL, LARGE], no=no), [SMALL, LARGE])
    result = plan_purchase(replace(seen, due_doubts=(NAME,)), FitSettings())
    assert result.doubted is None


def test_tries_one_machine_at_a_time_for_jobs_that_may_fit() -> None:
    maybe = Match(ok=False, maybe=True)
    wanted = demand(
        [group("g", 1, 1000, 9)], offers=[SMALL, LARGE], no={("g", "m5.large"): maybe, ("g", "m5.2xlarge"): maybe}
    )
    assert len(plan_purchase(share(wanted, [SMALL, LARGE]), FitSettings()).purchase.order) == 1
    on_its_way = vm(1, VMState.BOOTING, SMALL)
    assert plan_purchase(share(wanted, [SMALL, LARGE], [on_its_way]), FitSettings()).purchase.order == ()


def test_the_doubt_that_waited_longest_comes_first() -> None:
    """A user with an ever-new clause must not take all probes."""
    memory = update_doubts({}, "Q", ["z"], None, 0)
    for hour in range(1, 6):
        (first, *_) = due_doubts(memory, "Q", hour * HOUR)
        assert first == "z" if hour == 1 else first != f"a{hour}"
        memory = update_doubts(memory, "Q", ["z", f"a{hour}"], first, hour * HOUR)
        if memory["z"].times == 2:
            return
    raise AssertionError("the old doubt was never probed again")


def test_remembers_a_limited_number_of_doubts() -> None:
    memory = update_doubts({}, "Q", [f"a{i}" for i in range(5000)], None, 0)
    assert len(memory) == 200


def test_doubts_a_maybe_that_the_existing_machines_do_not_settle() -> None:
    maybe = Match(ok=False, maybe=True, why=LEARNED.why)
    wanted = demand([group("g", 1, 1000, 9)], offers=[SMALL], no={("g", "m5.large"): maybe})
    busy = [vm(1, VMState.BUSY, SMALL, claims=2)]
    assert plan_purchase(share(wanted, [SMALL], busy), FitSettings()).doubts == frozenset({NAME})
    due = replace(share(wanted, [SMALL], busy), due_doubts=(NAME,))
    assert len(plan_purchase(due, FitSettings()).purchase.order) == 1
