"""Breakers: they open on failures, wait, let one probe through, and never cause a purchase."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from factory.health.breakers import (
    ALL,
    FAULTY,
    UNUSED,
    WAITS_S,
    LaunchFailure,
    apply_resets,
    blocked_shapes,
    filter_shapes,
    purchase_limit,
    reset_breakers,
    update_breakers,
)
from factory.health.hold_reasons import HoldKind
from factory.lifecycle.plan import plan
from factory.lifecycle.policy import VMPolicy
from factory.model.actions import Plan, Remove, Submit
from factory.model.ask import Ask
from factory.model.memory import Breaker, Health, Memory
from factory.model.shape import Shape
from factory.model.status import BatchStatus
from factory.model.vm import VM, Hold, VMState
from tests.rig.vms import NOW, SHAPE, vm

ONE, OTHER = Shape("ami-1", "m5.large"), Shape("ami-1", "c5.large")
CAPACITY, THROTTLING = HoldKind.CAPACITY.value, HoldKind.THROTTLING.value


def fault(uuid: str, what: str = CAPACITY, submitted: float = NOW - 60, at: float = NOW) -> LaunchFailure:
    return LaunchFailure(vm(uuid, VMState.HELD, submitted=submitted), what, "said", at)


def learned(health: Health, *faults: LaunchFailure, now: float = NOW, vms: tuple[VM, ...] = ()) -> Health:
    return update_breakers(health, (*(f.vm for f in faults), *vms), faults, now)


def test_burst_of_failures_counts_once() -> None:
    health = learned(Health(), *(fault(f"vm{i}", at=NOW + i) for i in range(20)))
    assert health.breakers[SHAPE].times == 1
    assert health.breakers[SHAPE].until == NOW + 300
    again = learned(health, *(fault(f"vm{i}", at=NOW + i) for i in range(20)))
    assert again == health, "no VM counts twice"


def test_each_failed_probe_doubles_the_wait_up_to_the_longest() -> None:
    health, at, waits = learned(Health(), fault("vm0")), NOW, []
    for i in range(1, 7):
        breaker = health.breakers[SHAPE]
        waits.append(breaker.until - at)
        at = breaker.until + 10
        health = learned(health, fault(f"vm{i}", submitted=breaker.until + 1, at=at), now=at)
    assert waits == [300, 600, 1200, 2400, 3600, 3600]


def test_open_breaker_stops_purchases_then_allows_one_probe() -> None:
    health = learned(Health(), fault("vm1"))
    assert purchase_limit(health, SHAPE, (), NOW + 299)[0] == 0
    assert purchase_limit(health, SHAPE, (), NOW + 300)[0] == 1
    probe = vm("vm2", VMState.SUBMITTED, submitted=NOW + 301)
    assert purchase_limit(health, SHAPE, (probe,), NOW + 310)[0] == 0
    assert purchase_limit(health, "ami-2/m5.large/*/on-demand", (), NOW)[0] is None


def test_new_instance_closes_a_breaker_that_the_cloud_opened() -> None:
    health = learned(Health(), fault("vm1"))
    old = vm("vm2", VMState.BOOTING, submitted=NOW - 100)
    assert learned(health, vms=(old,)).breakers, "it was bought before"
    assert not learned(health, vms=(replace(old, submitted=NOW + 301),)).breakers


def test_account_wide_failure_stops_every_shape() -> None:
    health = learned(Health(), fault("vm1", THROTTLING))
    assert set(health.breakers) == {ALL}
    assert filter_shapes(health, (ONE, OTHER), (), NOW + 1)[0] == ()
    kept, notes = filter_shapes(health, (ONE, OTHER, ONE), (), NOW + 61)
    assert kept == (ONE,), "one probe in all"
    assert len(notes) == 2


def test_buys_healthy_shapes_beside_a_blocked_one() -> None:
    health = learned(Health(), fault("vm1"))
    kept, (note,) = filter_shapes(health, (ONE, OTHER, ONE, OTHER), (), NOW + 1)
    assert kept == (OTHER, OTHER)
    assert "0 of 2 bought of ami-1/m5.large" in note
    assert "no capacity: said" in note


def test_shape_is_blocked_until_its_probe_is_due() -> None:
    health = learned(Health(), fault("vm1"))
    assert blocked_shapes(health, {SHAPE, str(OTHER)}, (), NOW + 299) == {SHAPE}
    assert blocked_shapes(health, {SHAPE, str(OTHER)}, (), NOW + 300) == frozenset()


def test_three_faulty_vms_of_five_open_it_and_only_a_startd_closes_it() -> None:
    bad = [fault(f"vm{i}", FAULTY) for i in range(3)]
    assert not learned(Health(), *bad[:2]).breakers
    assert learned(Health(), *bad).breakers[SHAPE].what == FAULTY
    good = tuple(vm(f"vm{i}", VMState.BUSY, submitted=NOW - 10) for i in range(5, 8))
    mixed = learned(learned(Health(), *bad[:2], vms=good), *bad[:2], vms=good)
    assert mixed.launches[SHAPE].count(True) == 3
    assert learned(mixed, bad[2], vms=good).breakers == {}
    health = learned(Health(), *bad)
    assert learned(health, vms=(vm("vm9", VMState.BOOTING, submitted=NOW + 301),)).breakers
    assert not learned(health, vms=(vm("vm9", VMState.JOINED, submitted=NOW + 301),)).breakers


def test_reset_closes_earlier_breakers_and_counts_nothing_twice() -> None:
    health = learned(Health(), fault("vm1"))
    cleared = reset_breakers(health, NOW + 1)
    assert purchase_limit(cleared, SHAPE, (), NOW + 1)[0] is None
    assert learned(cleared, fault("vm1")).breakers == {}
    assert reset_breakers(health, NOW - 1) == health


def test_ignores_a_reset_dated_in_the_future() -> None:
    opened = {"Q": Health({SHAPE: Breaker(FAULTY, "x", NOW - 5, NOW + 300)})}
    assert apply_resets(opened, {"Q": NOW + 3000}, NOW) == opened
    assert apply_resets(opened, {"Q": NOW + 3000, ALL: NOW - 1}, NOW)["Q"].breakers == {}
    assert apply_resets(opened, {"Q": NOW}, NOW)["Q"].breakers == {}


def test_forgets_a_breaker_without_retry() -> None:
    health = learned(Health(), fault("vm1"))
    assert learned(health, now=NOW + 300 + 3 * 3600).breakers == {}


def ramp(ask: int, *vms: VM, health: Health | None = None, now: float = NOW) -> Plan:
    policy = VMPolicy(queue="Q", shape=ONE, removefraction=1)
    return plan(policy, Ask(ask), BatchStatus.of_vms(vms), Memory(health={"Q": health or Health()}), now)


def test_removes_a_held_vm_job_and_blocks_its_shape_in_the_same_round() -> None:
    held = vm("vm1", VMState.HELD, instance=None, hold=Hold(40, 12, "InsufficientInstanceCapacity"), entered_status=NOW)
    answer = ramp(3, held)
    (removal,) = answer.actions
    assert isinstance(removal, Remove)
    assert "InsufficientInstanceCapacity" in removal.reason
    assert "InsufficientInstanceCapacity" in answer.notes[0]
    later = ramp(3, health=answer.health, now=NOW + 301)
    (submit,) = later.actions
    assert isinstance(submit, Submit)
    assert submit.n == 1, "a probe"


def test_leaves_a_job_held_by_a_person_alone_with_a_note() -> None:
    answer = ramp(0, vm("vm1", VMState.HELD, hold=Hold(1, 0, "by hand"), entered_status=NOW))
    assert answer.actions == ()
    (note,) = answer.notes
    assert note == "1 VM job is held by a person; apf leaves held jobs alone: use condor_release or condor_rm"


faults = st.lists(
    st.builds(
        fault, st.sampled_from([f"vm{i}" for i in range(9)]), st.sampled_from(list(WAITS_S)),
        st.floats(NOW - 5000, NOW + 5000), st.floats(NOW - 5000, NOW + 5000),
    ),
    max_size=12,
)  # fmt: skip
vms = st.lists(
    st.builds(
        lambda number, state, at: vm(f"vm{number}", state, submitted=at),
        st.integers(0, 9), st.sampled_from(list(VMState)), st.floats(NOW - 5000, NOW + 5000),
    ),
    max_size=8,
    unique_by=lambda known: known.uuid,
)  # fmt: skip


@given(faults, vms, st.lists(st.sampled_from([ONE, OTHER]), max_size=9), st.floats(NOW, NOW + 9000))
def test_filter_shapes_only_removes_shapes_and_says_why(
    failed: list[LaunchFailure], known: list[VM], shapes: list[Shape], now: float
) -> None:
    """Rule 1: memory can delay a purchase and never cause one."""
    health = update_breakers(Health(), known, failed, now)
    kept, notes = filter_shapes(health, shapes, known, now)
    assert all(kept.count(shape) <= shapes.count(shape) for shape in (ONE, OTHER))
    assert bool(notes) is (len(kept) < len(shapes))
    assert all(
        isinstance(b, Breaker) and 0 < b.until - b.opened <= WAITS_S[b.what][1] for b in health.breakers.values()
    )
    if not health.breakers:
        assert list(kept) == shapes


def test_counts_vms_that_end_before_joining_once_the_cloud_confirms() -> None:
    booting = tuple(vm(f"vm{i}", VMState.BOOTING) for i in range(4))
    health = update_breakers(Health(), booting, (), NOW)
    waiting = update_breakers(health, (), (), NOW + 60, missing={"vm0", "vm1", "vm2"})
    assert waiting.launches == {}, "HTCondor may have given them up"
    confirmed = update_breakers(waiting, (), (), NOW + 120, ended={"vm0", "vm1", "vm2"}, missing={"vm0", "vm1", "vm2"})
    assert confirmed.breakers[SHAPE].what == FAULTY
    assert "before it joined" in confirmed.breakers[SHAPE].text
    assert update_breakers(confirmed, (), (), NOW + 180, ended={"vm0", "vm1", "vm2"}).launches == confirmed.launches
    names = {"vm0", "vm1", "vm2"}
    alive = update_breakers(waiting, (), (), NOW + 70, missing=names, alive=names)
    assert update_breakers(alive, (), (), NOW + 120, ended=names, missing=names).launches == {}, (
        "the factory ended them"
    )


def test_tracks_completed_booting_jobs_but_not_removed_ones() -> None:
    health = update_breakers(Health(), (vm("vm1", VMState.BOOTING), vm("vm2", VMState.BOOTING)), (), NOW)
    done = (vm("vm1", VMState.DONE, job_status=4), vm("vm2", VMState.DONE, job_status=3))
    health = update_breakers(health, done, (), NOW + 1)
    assert health.booting.keys() == {"vm1"}
    joined = vm("vm3", VMState.JOINED)
    assert update_breakers(Health(), (joined,), (), NOW).booting == {}


def test_probe_for_unclaimed_vms_must_get_a_job() -> None:
    vms = tuple(vm(f"vm{i}", VMState.JOINED) for i in range(3))
    health = update_breakers(
        update_breakers(Health(), vms, (), NOW), vms, [LaunchFailure(each, UNUSED, "no job", NOW) for each in vms], NOW
    )
    assert health.breakers[SHAPE].what == UNUSED
    later = NOW + 400
    probe = vm("vm9", VMState.JOINED, submitted=NOW + 301)
    health = update_breakers(health, (probe,), (), later)
    assert purchase_limit(health, SHAPE, (probe,), later)[0] == 0, "a join alone proves nothing"
    assert not update_breakers(health, (replace(probe, state=VMState.BUSY),), (), later).breakers


def test_vms_that_power_off_before_joining_open_the_breaker_at_once() -> None:
    """HTCondor completes their VM jobs, which leave the queue a moment later."""
    fates: list[tuple[int, str, bool]] = [(4, "terminated", True), (4, "not-found", False), (3, "terminated", False)]
    for status, word, opens in fates:
        health = update_breakers(Health(), tuple(vm(f"vm{i}", VMState.SUBMITTED) for i in range(3)), (), NOW)
        done = tuple(vm(f"vm{i}", VMState.DONE, job_status=status, grid_status=word) for i in range(3))
        health = update_breakers(health, done, (), NOW + 30)
        assert (SHAPE in health.breakers) is opens, (status, word)
    over = vm("vm1", VMState.DONE, job_status=4, grid_status="terminated", lease_end=NOW)
    health = update_breakers(
        update_breakers(Health(), (vm("vm1", VMState.BOOTING),), (), NOW - 60), (over,), (), NOW + 1
    )
    assert health.launches == {}, "its lease has ended"
    cancelled = update_breakers(
        update_breakers(Health(), (vm("vm1", VMState.SUBMITTED),), (), NOW), (), (), NOW + 1, ended={"vm1"}
    )
    assert cancelled.launches == {}, "it was sent away, whatever became of it"
