"""Ramp down: VMs that are not needed, or whose lease ends."""

from factory.lifecycle.retire_order import retire_order
from factory.lifecycle.timeouts import Timeouts
from factory.model.actions import Retire
from factory.model.ask import Ask
from factory.model.vm import VMState
from tests.rig.planning import ASKED, ENDS, OURS, bought, names, planned
from tests.rig.vms import NOW, vm


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


def test_reason_warns_of_a_job_that_may_be_evicted() -> None:
    (action,) = planned(-1, vm("vm1", VMState.BUSY, evictable=True)).actions
    assert "MaxJobRetirementTime" in action.reason


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


def test_surplus_retires_vms_near_their_lease_end_first() -> None:
    vms = [vm("vm1", VMState.BUSY, **ENDS), vm("vm2", VMState.IDLE), vm("vm3", VMState.IDLE)]
    assert names(planned(-1, *vms, drain_before_s=200), Retire) == ["vm1"]
    assert names(planned(-2, *vms, drain_before_s=200), Retire) == ["vm1", "vm2"]
    named = Ask(-1, victims=("vm3",))
    assert names(planned(named, *vms, drain_before_s=200), Retire) == ["vm1", "vm3"]


def test_lease_reason_warns_of_a_job_that_may_be_evicted() -> None:
    (retire,) = planned(0, vm("vm1", VMState.BUSY, evictable=True, **ENDS), drain_before_s=200).actions
    assert "MaxJobRetirementTime" in retire.reason
