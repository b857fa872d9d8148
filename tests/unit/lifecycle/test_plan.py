"""Actions planned for an ask: ramp up, ramp down, removal, upkeep and leases."""

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
POLICY = VMPolicy(queue="Q", shape=IMAGE, removefraction=1, update_interval_s=30)
OURS = Drain("apf apf: not needed", ours=True)
ASKED: dict[str, Any] = {"retire_time": NOW - 100}
BACK: dict[str, Any] = {"retire_time": NOW - 100, "unretire_time": NOW - 50}


def planned(ask: Ask | int, *vms: VM, memory: Memory | None = None, **policy: Any) -> Plan:
    wanted = Ask(ask) if isinstance(ask, int) else ask
    return plan(replace(POLICY, **policy), wanted, BatchStatus.of_vms(vms), memory or Memory(), NOW)


def names(plan_: Plan, kind: type[ClearRetire | Release | Remove | Retire | Unretire]) -> list[str]:
    """Return the APFVMs that the actions of a kind are about."""
    return [action.vm.uuid for action in plan_.actions if isinstance(action, kind) and action.vm is not None]


def bought(plan_: Plan) -> int:
    return sum(action.n for action in plan_.actions if isinstance(action, Submit))


# Up


def test_buys_the_shapes_asked_for() -> None:
    other = Shape("ami-2", "c5.large")
    (submit,) = planned(Ask(2, shapes=(other, IMAGE))).actions
    assert isinstance(submit, Submit)
    assert submit.shapes == (other, IMAGE)
    (submit,) = planned(2).actions
    assert isinstance(submit, Submit)
    assert submit.shapes == (IMAGE, IMAGE)


def test_unretires_vms_before_buying() -> None:
    """Rule 7: the soonest back comes first."""
    draining = vm("vm1", VMState.RETIRING, claims=1, drain=OURS, **ASKED)
    left = vm("vm2", VMState.RETIRED, **ASKED)
    answer = planned(3, left, draining)
    assert names(answer, Unretire) == ["vm1", "vm2"]
    assert bought(answer) == 1
    assert names(answer, Remove) == [], "an unretired VM is not removed"
    assert names(planned(1, left, draining), Unretire) == ["vm1"]


def test_unretired_startd_with_claims_is_no_capacity_until_seen_again() -> None:
    """Rule 7: only a cancelled drain, or a startd that is seen again, is capacity."""
    answer = planned(1, vm("vm1", VMState.RETIRING, claims=1, retire_seen=True, **ASKED))
    assert names(answer, Unretire) == ["vm1"]
    assert bought(answer) == 1


def test_unretires_only_own_retirements_of_the_shape_asked_for() -> None:
    theirs = vm("vm1", VMState.RETIRING, drain=Drain("kernel", ours=False))
    other = vm("vm2", VMState.RETIRING, drain=OURS, shape="ami-2/c5.large/*/on-demand")
    turned_off = vm("vm3", VMState.RETIRING, claims=1, retire_seen=True)
    left = vm("vm4", VMState.RETIRED)
    answer = planned(Ask(1, shapes=(IMAGE,)), theirs, other, turned_off, left)
    assert names(answer, Unretire) == []
    assert bought(answer) == 1


def test_unretires_as_many_of_each_shape_as_asked_for_and_buys_the_rest() -> None:
    gpu, other = Shape("ami-1", "g4dn.xlarge"), Shape("ami-1", "c5.large")
    leaving = [vm(f"vm{i}", VMState.RETIRED, **ASKED) for i in range(5)]
    for shapes in ((IMAGE, gpu), (gpu, IMAGE), (gpu, IMAGE, IMAGE, other)):
        answer = planned(Ask(len(shapes), shapes), *leaving)
        assert len(names(answer, Unretire)) == shapes.count(IMAGE)
        (submit,) = (action for action in answer.actions if isinstance(action, Submit))
        assert submit.shapes == tuple(shape for shape in shapes if shape != IMAGE)
    capped = planned(Ask(3, (IMAGE, gpu, other)), *leaving, maxinstances=6)
    (submit,) = (action for action in capped.actions if isinstance(action, Submit))
    assert submit.shapes == (gpu,), "the cap cuts the least valuable purchase"


def test_leaves_retired_a_vm_that_no_waiting_job_can_use() -> None:
    left = vm("vm1", VMState.RETIRED, **ASKED)
    answer = planned(Ask(1, (IMAGE,)), left, memory=Memory(fit=FitMemory(useless=frozenset({"vm1"}))))
    assert (names(answer, Unretire), bought(answer)) == ([], 1)


def test_waits_before_it_repeats_an_unretire() -> None:
    back = vm("vm1", VMState.RETIRING, drain=OURS, **BACK)
    assert planned(1, back, memory=Memory(sent={"vm1": NOW - 59})).actions == ()
    assert names(planned(1, back, memory=Memory(sent={"vm1": NOW - 61})), Unretire) == ["vm1"]


@given(st.integers(1, 30), st.integers(0, 30), st.lists(st.sampled_from(list(VMState)), max_size=30))
def test_hard_cap_counts_vm_jobs_in_every_state(n: int, cap: int, states: list[VMState]) -> None:
    """Rule 6."""
    vms = [vm(f"vm{i}", state) for i, state in enumerate(states)]
    answer = planned(n, *vms, maxinstances=cap)
    assert bought(answer) == 0 or len(vms) + bought(answer) <= cap
    leaving = sum(state in {VMState.RETIRING, VMState.RETIRED} for state in states)
    if len(vms) + n - min(n, leaving) > cap:
        assert any("maxinstances" in note for note in answer.notes)


# Down


def test_retires_the_least_useful_first() -> None:
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


def test_retires_only_the_victims_of_the_ask() -> None:
    vms = [vm("vm1"), vm("vm2"), vm("vm3")]
    assert names(planned(Ask(-2, victims=("vm3", "vm9")), *vms), Retire) == ["vm3"]
    assert planned(Ask(-2, victims=("vm3", "vm9")), *vms).notes == ("only 1 of 2 VMs can retire",)


def test_retires_victims_beside_purchases_within_the_blast_radius() -> None:
    vms = [vm(f"vm{i}", VMState.IDLE, idle_since=NOW - 3000) for i in range(10)]
    for n in (2, 0):
        answer = planned(Ask(n, victims=("vm7", "vm3", "vm9")), *vms)
        assert (names(answer, Retire), bought(answer)) == (["vm7", "vm3", "vm9"], n)
        few = planned(Ask(n, victims=("vm7", "vm3", "vm9")), *vms, removefraction=0.2)
        assert names(few, Retire) == ["vm7", "vm3"], "rule 8"


def test_turns_off_unclaimed_vms_and_drains_claimed_ones_by_default() -> None:
    vms = [vm("vm1", VMState.IDLE), vm("vm2", VMState.BUSY)]
    for setting, methods in (("auto", ["off", "drain"]), ("off", ["off", "off"]), ("drain", ["drain", "drain"])):
        actions = planned(-2, *vms, retire=setting).actions
        assert [action.method for action in actions if isinstance(action, Retire)] == methods


def test_removes_a_vm_job_only_if_it_still_has_no_instance() -> None:
    (action,) = planned(-1, vm("vm1", VMState.SUBMITTED)).actions
    assert isinstance(action, Remove)
    assert action.still == NO_INSTANCE


def test_reason_warns_of_a_job_that_may_be_evicted() -> None:
    (action,) = planned(-1, vm("vm1", VMState.BUSY, evictable=True)).actions
    assert "MaxJobRetirementTime" in action.reason


# Removal


def test_removes_only_a_vm_proven_empty_that_is_unchanged() -> None:
    """Rule 5."""
    for state in VMState:
        removed = [a for a in planned(0, vm("vm1", state)).actions if isinstance(a, Remove)]
        assert bool(removed) is (state is VMState.RETIRED), state
        for action in removed:
            assert action.vm is not None, "the worker checks that no job runs there"
            assert action.still == 'JobStatus == 2 && EC2InstanceName == "i-vm1"'


def test_spares_an_unretired_vm_from_removal_for_two_minutes() -> None:
    for age, gone in ((50, False), (119, False), (121, True)):
        back = vm("vm1", VMState.RETIRED, retire_time=NOW - 500, unretire_time=NOW - age)
        assert bool(names(planned(0, back, memory=Memory(alone={"vm1": NOW - 300})), Remove)) is gone


def test_gives_an_unretired_vm_time_to_restart_its_startd() -> None:
    """The startd of a VM that was unretired with claims leaves when its last job ends, and then starts again."""
    back = vm("vm1", VMState.RETIRED, retire_time=NOW - 9000, unretire_time=NOW - 8000)
    for since, gone in ((1, False), (119, False), (121, True)):
        assert bool(names(planned(0, back, memory=Memory(alone={"vm1": NOW - since})), Remove)) is gone
    assert not names(planned(0, back), Remove), "nor by a factory that has just started"


def test_removes_a_vm_job_without_instance_after_starttimeout() -> None:
    """Rule 9."""
    for waited, gone in ((1799, False), (1801, True)):
        answer = planned(0, vm("vm1", VMState.SUBMITTED, submitted=NOW - waited))
        assert bool(answer.actions) is gone


@given(
    st.integers(-50, 50),
    st.lists(st.tuples(st.sampled_from(list(VMState)), st.booleans(), st.booleans(), st.booleans()), max_size=40),
    st.floats(0.01, 1),
)
def test_rules_hold_for_any_ask(n: int, kinds: list[tuple[VMState, bool, bool, bool]], fraction: float) -> None:
    """Rules 5 and 8: few VMs retire at once, and no job is killed."""
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


def test_mass_loss_stops_removals_and_retirements_until_confirmed() -> None:
    """Rule 2."""
    vms = [vm(f"vm{i}", VMState.LOST, grid_status="terminated") for i in range(4)]
    vms += [vm(f"vm{i}", VMState.IDLE) for i in range(4, 10)]
    vms.append(vm("vm10", VMState.RETIRED, **ASKED))

    def after(age: float, lost: int) -> Plan:
        gone = {f"vm{i}": Seen(NOW - 900, gone=NOW - age) for i in range(lost)}
        there = {f"vm{i}": Seen(NOW - 900) for i in range(lost, 11)}
        return planned(-3, *vms, memory=Memory({**gone, **there}))

    assert after(30, 4).actions == ()
    assert "4 of 10 startds disappeared" in after(30, 4).notes[0]
    assert len(after(61, 4).actions) == 4
    assert len(after(30, 3).actions) == 4


# Upkeep


def test_repeats_a_retire_that_shows_no_effect() -> None:
    """Rule 1: a factory that remembers nothing repeats it too."""
    silent = vm("vm1", VMState.RETIRING, claims=1, **ASKED)
    (again,) = planned(0, silent).actions
    assert isinstance(again, Retire)
    assert (again.repeat, again.method) == (True, "drain")
    assert planned(0, silent, memory=Memory(sent={"vm1": NOW - 59})).actions == ()
    assert planned(0, replace(silent, retire_seen=True)).actions == ()
    assert planned(0, vm("vm1", VMState.RETIRING, **BACK)).actions == ()
    assert planned(0, vm("vm1", VMState.RETIRING, startd=None, **ASKED)).actions == (), "it has not joined yet"


def test_clears_the_retirement_mark_once_the_vm_takes_jobs_again() -> None:
    for state in VMState:
        cleared = names(planned(0, vm("vm1", state, **BACK)), ClearRetire)
        assert bool(cleared) is (state in {VMState.BUSY, VMState.IDLE, VMState.JOINED}), state
    assert not names(planned(0, vm("vm1", VMState.BUSY, **ASKED)), ClearRetire)


def test_retries_a_failed_termination() -> None:
    failed = vm("vm1", VMState.HELD, hold=Hold(26, 0, "no answer", status_on_release=3))
    assert names(planned(0, failed), Release) == ["vm1"]
    assert not planned(0, failed, memory=Memory(sent={"vm1": NOW - 1})).actions
    assert not planned(0, vm("vm1", VMState.HELD, hold=Hold(1, 0, "by hand"))).actions


# Leases


ENDS: dict[str, Any] = {"lease_end": NOW + 100}


def test_retires_vms_before_their_lease_ends_earliest_end_first() -> None:
    states = [VMState.BUSY, VMState.IDLE, VMState.JOINED, VMState.BOOTING]
    vms = [vm(f"vm{i}", state, lease_end=NOW + 100 - i) for i, state in enumerate(states)]
    others = [vm("vm8", VMState.SUBMITTED, **ENDS), vm("vm9", VMState.BUSY, lease_end=NOW + 101), vm("vm10")]
    answer = planned(0, *vms, *others, drain_before_s=101)
    assert names(answer, Retire) == ["vm3", "vm2", "vm1", "vm0"]
    methods = [action.method for action in answer.actions if isinstance(action, Retire)]
    assert methods == ["off", "off", "off", "drain"]
    assert all("lease ends in" in action.reason for action in answer.actions)
    assert names(planned(0, *vms, *others, drain_before_s=101, removefraction=0.3), Retire) == ["vm3", "vm2"]
    assert planned(0, *vms, *others).actions == (), "drain_before = 0"


def test_retires_once_a_never_claimed_vm_whose_lease_ends() -> None:
    late = vm("vm1", VMState.JOINED, joined_at=NOW - 601, **ENDS)
    (retire,) = planned(0, late, vm("vm2", VMState.BUSY), drain_before_s=200, timeouts=Timeouts(job_s=600)).actions
    assert isinstance(retire, Retire)
    assert "lease ends in" in retire.reason


def test_end_of_lease_does_not_retire_a_retiring_vm_again() -> None:
    asked = vm("vm1", VMState.RETIRING, drain=OURS, retire_seen=True, **ASKED, **ENDS)
    assert planned(0, asked, drain_before_s=200).actions == ()


def test_unretires_a_vm_near_its_lease_end_only_after_an_extension() -> None:
    leaving = vm("vm1", VMState.RETIRING, drain=OURS, retire_seen=True, **ASKED, **ENDS)
    answer = planned(1, leaving, drain_before_s=200)
    assert (names(answer, Unretire), bought(answer)) == ([], 1)
    answer = planned(1, replace(leaving, lease_end=NOW + 1000), drain_before_s=200)
    assert (names(answer, Unretire), bought(answer)) == (["vm1"], 0)


def test_surplus_retires_vms_near_their_lease_end_first() -> None:
    vms = [vm("vm1", VMState.BUSY, **ENDS), vm("vm2", VMState.IDLE), vm("vm3", VMState.IDLE)]
    assert names(planned(-1, *vms, drain_before_s=200), Retire) == ["vm1"]
    assert names(planned(-2, *vms, drain_before_s=200), Retire) == ["vm1", "vm2"]
    named = Ask(-1, victims=("vm3",))
    assert names(planned(named, *vms, drain_before_s=200), Retire) == ["vm1", "vm3"]


def test_lease_reason_warns_of_a_job_that_may_be_evicted() -> None:
    (retire,) = planned(0, vm("vm1", VMState.BUSY, evictable=True, **ENDS), drain_before_s=200).actions
    assert "MaxJobRetirementTime" in retire.reason


def test_buys_a_replacement_after_two_unretires_without_effect() -> None:
    """Rule 7: only a cancelled drain is capacity."""
    back = vm("vm1", VMState.RETIRING, claims=1, drain=OURS, **BACK)
    for times, n in ((1, 0), (2, 1), (20, 1)):
        memory = Memory(sent={"vm1": NOW - 90_000}, attempts={"vm1": Attempts("unretire", times)})
        answer = planned(1, back, memory=memory)
        assert names(answer, Unretire) == ["vm1"]
        assert bought(answer) == n


def test_notes_vms_that_ignore_three_commands_to_retire() -> None:
    silent = vm("vm1", VMState.RETIRING, claims=1, **ASKED)
    sent = ((Attempts("retire", 2), False), (Attempts("retire", 3), True), (Attempts("release", 9), False))
    for last, noted in sent:
        notes = planned(0, silent, memory=Memory(sent={"vm1": NOW}, attempts={"vm1": last})).notes
        assert any("1 VM ignores" in note and f"{last.times} times" in note for note in notes) is noted
    often = Memory(attempts={"vm1": Attempts("retire", 5)})
    for other in (replace(silent, retire_seen=True), replace(silent, state=VMState.BUSY, retire_time=None)):
        assert planned(0, other, memory=often).notes == ()


def test_failed_removals_come_last() -> None:
    first, second = vm("vm1", VMState.RETIRED), vm("vm2", VMState.RETIRED)
    assert names(planned(0, first, second, removefraction=0.5), Remove) == ["vm1"]
    refused = Memory(refused={"vm1": 1})
    assert names(planned(0, first, second, removefraction=0.5, memory=refused), Remove) == ["vm2"]


def test_removal_of_held_jobs_obeys_the_blast_radius() -> None:
    """Rule 8."""
    hold = Hold(41, 14, "odd")
    ended = [vm(f"vm{i}", VMState.HELD, job_status=5, hold=hold, grid_status="terminated") for i in range(50)]
    assert len(names(planned(0, *ended, removefraction=0.2), Remove)) == 10
    none = [vm(f"vm{i}", VMState.HELD, job_status=5, hold=hold, instance=None) for i in range(50)]
    assert len(names(planned(0, *none, removefraction=0.2), Remove)) == 50, "no instance ends"


def test_many_foreign_identities_stop_purchases_and_removals() -> None:
    """The expected identity is wrong then: a trust domain or a mapfile was changed."""
    foreign = [vm(f"vm{i}", VMState.LOST, foreign_startd=True) for i in range(4)]
    answer = planned(4, *foreign, vm("vm9", VMState.RETIRED))
    assert answer.actions == ()
    assert any("another identity" in note for note in answer.notes)
    one = planned(4, foreign[0], *(vm(f"vm{i}", VMState.BUSY) for i in range(10, 14)))
    assert bought(one) == 4


def test_retirement_after_failed_termination_obeys_the_blast_radius() -> None:
    """Rule 8."""
    hold = Hold(42, 15, "termination failed", status_on_release=3)
    held: dict[str, Any] = {"job_status": 5, "hold": hold, "startd": "x", "slots": ("slot1@x",), "claims": 1}
    vms = [vm(f"vm{i}", VMState.HELD, **held) for i in range(10)]
    answer = planned(0, *vms, removefraction=0.2)
    assert len(names(answer, Retire)) == 2
    assert any("2 of 10 retirements this round" in note for note in answer.notes)
    asked = [replace(each, retire_time=NOW - 100) for each in vms]
    assert len(names(planned(0, *asked, removefraction=0.2), Retire)) == 10, "a repeated command is not limited"
