"""From an ask to actions on VMs: what leaves, in which order, and what never happens."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from factory.lifecycle.plan import plan
from factory.lifecycle.policy import VMPolicy
from factory.lifecycle.removal import NO_INSTANCE
from factory.lifecycle.retire_order import retire_order
from factory.lifecycle.timeouts import Timeouts
from factory.model.actions import ClearRetire, Plan, Release, Remove, Retire, Submit, Unretire
from factory.model.ask import Ask
from factory.model.memory import Attempts, FitMemory, Memory, Seen
from factory.model.shape import Shape
from factory.model.status import BatchStatus
from factory.model.vm import VM, Drain, Hold, VMState
from tests.rig.vms import NOW, vm

IMAGE = Shape("ami-1", "m5.large")
LIFE = VMPolicy(queue="Q", shape=IMAGE, removefraction=1, update_interval_s=30)
OURS = Drain("apf apf: not needed", ours=True)
ASKED: dict[str, Any] = {"retire_time": NOW - 100}
BACK: dict[str, Any] = {"retire_time": NOW - 100, "unretire_time": NOW - 50}


def planned(ask: Ask | int, *vms: VM, memory: Memory | None = None, **life: Any) -> Plan:
    wanted = Ask(ask) if isinstance(ask, int) else ask
    return plan(replace(LIFE, **life), wanted, BatchStatus.of_vms(vms), memory or Memory(), NOW)


def names(plan_: Plan, kind: type[ClearRetire | Release | Remove | Retire | Unretire]) -> list[str]:
    """The VMs that the actions of a kind are about."""
    return [action.vm.uuid for action in plan_.actions if isinstance(action, kind) and action.vm is not None]


def bought(plan_: Plan) -> int:
    return sum(action.n for action in plan_.actions if isinstance(action, Submit))


# Up


def test_what_is_asked_for_is_bought_in_the_shapes_asked_for() -> None:
    other = Shape("ami-2", "c5.large")
    (submit,) = planned(Ask(2, shapes=(other, IMAGE))).actions
    assert isinstance(submit, Submit)
    assert submit.shapes == (other, IMAGE)
    (submit,) = planned(2).actions
    assert isinstance(submit, Submit)
    assert submit.shapes == (IMAGE, IMAGE)


def test_vms_that_leave_are_taken_back_before_any_is_bought() -> None:
    """Rule 7: the soonest back first."""
    draining = vm("vm1", VMState.RETIRING, claims=1, drain=OURS, **ASKED)
    left = vm("vm2", VMState.RETIRED, **ASKED)
    answer = planned(3, left, draining)
    assert names(answer, Unretire) == ["vm1", "vm2"]
    assert bought(answer) == 1
    assert names(answer, Remove) == [], "a VM that is called back is not removed"
    assert names(planned(1, left, draining), Unretire) == ["vm1"]


def test_a_startd_that_was_turned_off_with_claims_is_called_back_and_counts_for_nothing_until_it_is() -> None:
    """Rule 7: only a cancelled drain, or a startd that is seen again, is capacity."""
    answer = planned(1, vm("vm1", VMState.RETIRING, claims=1, retire_seen=True, **ASKED))
    assert names(answer, Unretire) == ["vm1"]
    assert bought(answer) == 1


def test_a_vm_of_another_shape_or_drained_by_somebody_else_is_not_taken_back() -> None:
    theirs = vm("vm1", VMState.RETIRING, drain=Drain("kernel", ours=False))
    other = vm("vm2", VMState.RETIRING, drain=OURS, shape="ami-2/c5.large/*/on-demand")
    turned_off = vm("vm3", VMState.RETIRING, claims=1, retire_seen=True)
    left = vm("vm4", VMState.RETIRED)
    answer = planned(Ask(1, shapes=(IMAGE,)), theirs, other, turned_off, left)
    assert names(answer, Unretire) == []
    assert bought(answer) == 1


def test_of_each_shape_as_many_are_taken_back_as_are_asked_for_and_the_rest_is_bought() -> None:
    gpu, other = Shape("ami-1", "g4dn.xlarge"), Shape("ami-1", "c5.large")
    leaving = [vm(f"vm{i}", VMState.RETIRED, **ASKED) for i in range(5)]
    for shapes in ((IMAGE, gpu), (gpu, IMAGE), (gpu, IMAGE, IMAGE, other)):
        answer = planned(Ask(len(shapes), shapes), *leaving)
        assert len(names(answer, Unretire)) == shapes.count(IMAGE)
        (submit,) = (action for action in answer.actions if isinstance(action, Submit))
        assert submit.shapes == tuple(shape for shape in shapes if shape != IMAGE)
    capped = planned(Ask(3, (IMAGE, gpu, other)), *leaving, maxinstances=6)
    (submit,) = (action for action in capped.actions if isinstance(action, Submit))
    assert submit.shapes == (gpu,), "of what is still to be bought the least valuable is cut"


def test_a_vm_that_left_because_no_waiting_job_can_use_it_is_not_taken_back() -> None:
    left = vm("vm1", VMState.RETIRED, **ASKED)
    answer = planned(Ask(1, (IMAGE,)), left, memory=Memory(fit=FitMemory(useless=frozenset({"vm1"}))))
    assert (names(answer, Unretire), bought(answer)) == ([], 1)


def test_a_vm_that_was_called_back_is_not_called_at_every_round() -> None:
    back = vm("vm1", VMState.RETIRING, drain=OURS, **BACK)
    assert planned(1, back, memory=Memory(sent={"vm1": NOW - 59})).actions == ()
    assert names(planned(1, back, memory=Memory(sent={"vm1": NOW - 61})), Unretire) == ["vm1"]


@given(st.integers(1, 30), st.integers(0, 30), st.lists(st.sampled_from(list(VMState)), max_size=30))
def test_the_hard_cap_counts_every_vm_job_whatever_its_state(n: int, cap: int, states: list[VMState]) -> None:
    """Rule 6."""
    vms = [vm(f"vm{i}", state) for i, state in enumerate(states)]
    answer = planned(n, *vms, maxinstances=cap)
    assert bought(answer) == 0 or len(vms) + bought(answer) <= cap
    leaving = sum(state in {VMState.RETIRING, VMState.RETIRED} for state in states)
    if len(vms) + n - min(n, leaving) > cap:
        assert any("maxinstances" in note for note in answer.notes)


# Down


def test_the_least_useful_leave_first() -> None:
    vms = [
        vm("evictable1", VMState.SUBMITTED, evictable=True),
        vm("busy1", VMState.BUSY, lease_end=NOW + 200),
        vm("busy2", VMState.BUSY, lease_end=NOW + 100),
        vm("idle1", VMState.IDLE, idle_since=NOW - 10),
        vm("idle2", VMState.JOINED, idle_since=NOW - 20),
        vm("booting1", VMState.BOOTING),
        vm("booting2", VMState.BOOTING),
        vm("submitted1", VMState.SUBMITTED),
        vm("submitted2", VMState.SUBMITTED),
        *(vm(state.value, state) for state in (VMState.RETIRING, VMState.HELD, VMState.LOST, VMState.DONE)),
    ]
    assert [v.uuid for v in retire_order(vms)] == [
        "submitted2", "submitted1", "booting2", "booting1", "idle2", "idle1", "busy2", "busy1", "evictable1",
    ]  # fmt: skip


def test_the_victims_of_the_ask_leave_and_no_others() -> None:
    vms = [vm("vm1"), vm("vm2"), vm("vm3")]
    assert names(planned(Ask(-2, victims=("vm3", "vm9")), *vms), Retire) == ["vm3"]
    assert planned(Ask(-2, victims=("vm3", "vm9")), *vms).notes == ("only 1 VMs can leave",)


def test_victims_of_an_ask_that_adds_machines_leave_beside_them_no_more_at_once_than_else() -> None:
    vms = [vm(f"vm{i}", VMState.IDLE, idle_since=NOW - 3000) for i in range(10)]
    for n in (2, 0):
        answer = planned(Ask(n, victims=("vm7", "vm3", "vm9")), *vms)
        assert (names(answer, Retire), bought(answer)) == (["vm7", "vm3", "vm9"], n)
        few = planned(Ask(n, victims=("vm7", "vm3", "vm9")), *vms, removefraction=0.2)
        assert names(few, Retire) == ["vm7", "vm3"], "rule 8"


def test_unclaimed_vms_are_turned_off_and_claimed_ones_drained_unless_told_otherwise() -> None:
    vms = [vm("vm1", VMState.IDLE), vm("vm2", VMState.BUSY)]
    for setting, methods in (("auto", ["off", "drain"]), ("off", ["off", "off"]), ("drain", ["drain", "drain"])):
        actions = planned(-2, *vms, retire=setting).actions
        assert [action.method for action in actions if isinstance(action, Retire)] == methods


def test_a_vm_without_an_instance_is_removed_only_if_it_still_has_none() -> None:
    (action,) = planned(-1, vm("vm1", VMState.SUBMITTED)).actions
    assert isinstance(action, Remove)
    assert action.still == NO_INSTANCE


def test_the_reason_names_a_job_that_may_be_evicted() -> None:
    (action,) = planned(-1, vm("vm1", VMState.BUSY, evictable=True)).actions
    assert "MaxJobRetirementTime" in action.reason


# Removal


def test_only_a_vm_proven_empty_is_removed_and_only_if_it_still_is_the_same() -> None:
    """Rule 5."""
    for state in VMState:
        removed = [a for a in planned(0, vm("vm1", state)).actions if isinstance(a, Remove)]
        assert bool(removed) is (state is VMState.RETIRED), state
        for action in removed:
            assert action.vm is not None, "the worker asks whether a job runs there"
            assert action.still == 'JobStatus == 2 && EC2InstanceName == "i-vm1"'


def test_a_vm_that_is_on_its_way_back_is_not_removed_for_some_time() -> None:
    for age, gone in ((50, False), (119, False), (121, True)):
        back = vm("vm1", VMState.RETIRED, retire_time=NOW - 500, unretire_time=NOW - age)
        assert bool(names(planned(0, back, memory=Memory(alone={"vm1": NOW - 300})), Remove)) is gone


def test_a_vm_that_was_called_back_while_its_last_job_ran_may_start_its_startd_anew_when_that_ends() -> None:
    """Hours after the call the startd leaves for a moment: that is no retirement that has come to its end."""
    back = vm("vm1", VMState.RETIRED, retire_time=NOW - 9000, unretire_time=NOW - 8000)
    for since, gone in ((1, False), (119, False), (121, True)):
        assert bool(names(planned(0, back, memory=Memory(alone={"vm1": NOW - since})), Remove)) is gone
    assert not names(planned(0, back), Remove), "nor by a factory that has just started"


def test_a_vm_job_without_an_instance_ends_after_starttimeout() -> None:
    """Rule 9."""
    for waited, gone in ((1799, False), (1801, True)):
        answer = planned(0, vm("vm1", VMState.SUBMITTED, submitted=NOW - waited))
        assert bool(answer.actions) is gone


@given(
    st.integers(-50, 50),
    st.lists(st.tuples(st.sampled_from(list(VMState)), st.booleans(), st.booleans(), st.booleans()), max_size=40),
    st.floats(0.01, 1),
)
def test_whatever_is_asked_the_rules_hold(
    n: int, kinds: list[tuple[VMState, bool, bool, bool]], fraction: float
) -> None:
    """Rules 5 and 8: few leave at once, and nobody's job is killed."""
    vms = []
    for i, (state, asked, drains, old) in enumerate(kinds):
        fields: dict[str, Any] = dict(ASKED) if asked else {}
        fields["drain"] = OURS if drains and state is VMState.RETIRING else None
        vms.append(vm(f"vm{i}", state, submitted=NOW - (5000 if old else 10), **fields))
    answer = planned(n, *vms, removefraction=fraction)
    limit = max(1, int(fraction * len(vms)))
    removed = [action for action in answer.actions if isinstance(action, Remove)]
    retired = [action for action in answer.actions if isinstance(action, Retire) and not action.repeat]
    asked_to_go = [action for action in removed if "not needed" in action.reason]
    assert len(removed) - len(asked_to_go) <= limit
    assert len(retired) + len(asked_to_go) <= min(limit, max(0, -n))
    by_job = {v.job: v for v in vms}
    assert all(by_job[action.job].state in {VMState.RETIRED, VMState.SUBMITTED} for action in removed)
    touched = [by_job[a.job].uuid if isinstance(a, Remove) else a.vm.uuid for a in answer.actions
               if isinstance(a, Remove | Retire | Unretire)]  # fmt: skip
    assert len(touched) == len(set(touched)), "one command for one VM"
    assert all(action.reason for action in answer.actions), "rule 13"
    assert n > 0 or not bought(answer)
    assert n < 0 or not retired


def test_a_sudden_fall_of_startds_stops_removals_and_retirements_until_the_cloud_confirms_it() -> None:
    """Rule 2."""
    vms = [vm(f"vm{i}", VMState.LOST, grid_status="terminated") for i in range(4)]
    vms += [vm(f"vm{i}", VMState.IDLE) for i in range(4, 10)]
    vms.append(vm("vm10", VMState.RETIRED, **ASKED))

    def after(age: float, fallen: int) -> Plan:
        gone = {f"vm{i}": Seen(NOW - 900, gone=NOW - age) for i in range(fallen)}
        there = {f"vm{i}": Seen(NOW - 900) for i in range(fallen, 11)}
        return planned(-3, *vms, memory=Memory({**gone, **there}))

    assert after(30, 4).actions == ()
    assert "4 of 10 startds left unasked" in after(30, 4).notes[0]
    assert len(after(61, 4).actions) == 4
    assert len(after(30, 3).actions) == 4


# Upkeep


def test_a_retirement_without_effect_is_sent_again_after_a_while() -> None:
    """Rule 1: also by a factory that remembers nothing."""
    silent = vm("vm1", VMState.RETIRING, claims=1, **ASKED)
    (again,) = planned(0, silent).actions
    assert isinstance(again, Retire)
    assert (again.repeat, again.method) == (True, "drain")
    assert planned(0, silent, memory=Memory(sent={"vm1": NOW - 59})).actions == ()
    assert planned(0, replace(silent, retire_seen=True)).actions == ()
    assert planned(0, vm("vm1", VMState.RETIRING, **BACK)).actions == ()
    assert planned(0, vm("vm1", VMState.RETIRING, startd=None, **ASKED)).actions == (), "it has not joined yet"


def test_the_mark_of_a_retirement_is_cleared_once_the_ads_show_the_vm_in_service() -> None:
    for state in VMState:
        cleared = names(planned(0, vm("vm1", state, **BACK)), ClearRetire)
        assert bool(cleared) is (state in {VMState.BUSY, VMState.IDLE, VMState.JOINED}), state
    assert not names(planned(0, vm("vm1", VMState.BUSY, **ASKED)), ClearRetire)


def test_a_termination_that_failed_is_tried_again() -> None:
    failed = vm("vm1", VMState.HELD, hold=Hold(26, 0, "no answer", status_on_release=3))
    assert names(planned(0, failed), Release) == ["vm1"]
    assert not planned(0, failed, memory=Memory(sent={"vm1": NOW - 1})).actions
    assert not planned(0, vm("vm1", VMState.HELD, hold=Hold(1, 0, "by hand"))).actions


# Leases


ENDS: dict[str, Any] = {"lease_end": NOW + 100}


def test_a_vm_retires_before_its_lease_ends_the_next_end_first() -> None:
    states = [VMState.BUSY, VMState.IDLE, VMState.JOINED, VMState.BOOTING]
    vms = [vm(f"vm{i}", state, lease_end=NOW + 100 - i) for i, state in enumerate(states)]
    others = [vm("vm8", VMState.SUBMITTED, **ENDS), vm("vm9", VMState.BUSY, lease_end=NOW + 101), vm("vm10")]
    answer = planned(0, *vms, *others, drain_before_s=101)
    assert names(answer, Retire) == ["vm3", "vm2", "vm1", "vm0"]
    methods = [action.method for action in answer.actions if isinstance(action, Retire)]
    assert methods == ["off", "off", "off", "drain"]
    assert all("its lease ends in" in action.reason for action in answer.actions)
    assert names(planned(0, *vms, *others, drain_before_s=101, removefraction=0.3), Retire) == ["vm3", "vm2"]
    assert planned(0, *vms, *others).actions == (), "drain_before = 0"


def test_retires_once_a_vm_that_was_never_claimed_and_whose_lease_ends() -> None:
    late = vm("vm1", VMState.JOINED, joined_at=NOW - 601, **ENDS)
    (retire,) = planned(0, late, vm("vm2", VMState.BUSY), drain_before_s=200, timeouts=Timeouts(job_s=600)).actions
    assert isinstance(retire, Retire)
    assert "its lease ends in" in retire.reason


def test_a_vm_that_retires_already_is_not_asked_again_because_of_its_lease() -> None:
    asked = vm("vm1", VMState.RETIRING, drain=OURS, retire_seen=True, **ASKED, **ENDS)
    assert planned(0, asked, drain_before_s=200).actions == ()


def test_a_vm_whose_lease_ends_is_not_taken_back_until_the_lease_is_extended() -> None:
    leaving = vm("vm1", VMState.RETIRING, drain=OURS, retire_seen=True, **ASKED, **ENDS)
    answer = planned(1, leaving, drain_before_s=200)
    assert (names(answer, Unretire), bought(answer)) == ([], 1)
    answer = planned(1, replace(leaving, lease_end=NOW + 1000), drain_before_s=200)
    assert (names(answer, Unretire), bought(answer)) == (["vm1"], 0)


def test_those_whose_lease_ends_are_the_first_of_those_that_are_too_many() -> None:
    vms = [vm("vm1", VMState.BUSY, **ENDS), vm("vm2", VMState.IDLE), vm("vm3", VMState.IDLE)]
    assert names(planned(-1, *vms, drain_before_s=200), Retire) == ["vm1"]
    assert names(planned(-2, *vms, drain_before_s=200), Retire) == ["vm1", "vm2"]
    named = Ask(-1, victims=("vm3",))
    assert names(planned(named, *vms, drain_before_s=200), Retire) == ["vm1", "vm3"]


def test_a_lease_that_ends_with_a_job_that_may_be_evicted_says_so() -> None:
    (retire,) = planned(0, vm("vm1", VMState.BUSY, evictable=True, **ENDS), drain_before_s=200).actions
    assert "MaxJobRetirementTime" in retire.reason


def test_one_that_was_called_back_in_vain_is_called_again_but_not_waited_for() -> None:
    """Rule 7: only a cancelled drain is capacity."""
    back = vm("vm1", VMState.RETIRING, claims=1, drain=OURS, **BACK)
    for times, n in ((1, 0), (2, 1), (20, 1)):
        memory = Memory(sent={"vm1": NOW - 90_000}, attempts={"vm1": Attempts("unretire", times)})
        answer = planned(1, back, memory=memory)
        assert names(answer, Unretire) == ["vm1"]
        assert bought(answer) == n


def test_machines_that_do_not_obey_are_named_until_they_show_a_sign() -> None:
    silent = vm("vm1", VMState.RETIRING, claims=1, **ASKED)
    told = ((Attempts("retire", 2), False), (Attempts("retire", 3), True), (Attempts("release", 9), False))
    for known, named in told:
        notes = planned(0, silent, memory=Memory(sent={"vm1": NOW}, attempts={"vm1": known})).notes
        assert any("do not obey: 1;" in note and f"{known.times} times" in note for note in notes) is named
    often = Memory(attempts={"vm1": Attempts("retire", 5)})
    for obeys in (replace(silent, retire_seen=True), replace(silent, state=VMState.BUSY, retire_time=None)):
        assert planned(0, obeys, memory=often).notes == ()


def test_a_removal_that_is_refused_again_and_again_is_in_no_other_ones_way() -> None:
    first, second = vm("vm1", VMState.RETIRED), vm("vm2", VMState.RETIRED)
    assert names(planned(0, first, second, removefraction=0.5), Remove) == ["vm1"]
    refused = Memory(refused={"vm1": 1})
    assert names(planned(0, first, second, removefraction=0.5, memory=refused), Remove) == ["vm2"]


def test_jobs_on_hold_whose_instances_have_ended_leave_no_faster_than_others() -> None:
    """Rule 8."""
    hold = Hold(41, 14, "odd")
    ended = [vm(f"vm{i}", VMState.HELD, job_status=5, hold=hold, grid_status="terminated") for i in range(50)]
    assert len(names(planned(0, *ended, removefraction=0.2), Remove)) == 10
    none = [vm(f"vm{i}", VMState.HELD, job_status=5, hold=hold, instance=None) for i in range(50)]
    assert len(names(planned(0, *none, removefraction=0.2), Remove)) == 50, "no machine leaves"


def test_machines_under_another_identity_are_neither_replaced_nor_removed() -> None:
    """The fault is in what is expected of them: a trust domain or a mapfile that was changed."""
    strange = [vm(f"vm{i}", VMState.LOST, foreign_startd=True) for i in range(4)]
    answer = planned(4, *strange, vm("vm9", VMState.RETIRED))
    assert answer.actions == ()
    assert any("under another identity" in note for note in answer.notes)
    one = planned(4, strange[0], *(vm(f"vm{i}", VMState.BUSY) for i in range(10, 14)))
    assert bought(one) == 4


def test_machines_of_terminations_that_failed_begin_to_leave_no_faster_than_others() -> None:
    """Rule 8."""
    hold = Hold(42, 15, "termination failed", status_on_release=3)
    held: dict[str, Any] = {"job_status": 5, "hold": hold, "startd": "x", "slots": ("slot1@x",), "claims": 1}
    vms = [vm(f"vm{i}", VMState.HELD, **held) for i in range(10)]
    answer = planned(0, *vms, removefraction=0.2)
    assert len(names(answer, Retire)) == 2
    assert any("2 of 10 retirements this round" in note for note in answer.notes)
    asked = [replace(each, retire_time=NOW - 100) for each in vms]
    assert len(names(planned(0, *asked, removefraction=0.2), Retire)) == 10, "told again"
