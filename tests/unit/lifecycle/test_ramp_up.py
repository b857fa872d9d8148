"""Ramp up: VMs that are unretired, then VMs that are bought."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from factory.lifecycle.plan import plan
from factory.model.actions import Remove, Submit, Unretire
from factory.model.ask import Ask
from factory.model.memory import Attempts, FitMemory, Memory
from factory.model.shape import Shape
from factory.model.status import BatchStatus
from factory.model.vm import Drain, VMState
from tests.rig.planning import ASKED, BACK, ENDS, IMAGE, OURS, POLICY, bought, names, planned
from tests.rig.vms import NOW, vm


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


def test_hard_cap_counts_removed_vms_until_the_cloud_confirms_their_end() -> None:
    """Rule 6."""
    batch = replace(BatchStatus.of_vms([vm("vm1")]), orphans=1, ending=2)
    answer = plan(replace(POLICY, maxinstances=5), Ask(3), batch, Memory(), NOW)
    (submit,) = (action for action in answer.actions if isinstance(action, Submit))
    assert (submit.n, submit.unowned) == (1, 3)
    assert answer.notes == (
        "maxinstances = 5: 4 VMs exist, room for 1 of 3; 2 of them left the queue, and the cloud has not "
        "confirmed their end",
    )


def test_unretires_a_vm_near_its_lease_end_only_after_an_extension() -> None:
    leaving = vm("vm1", VMState.RETIRING, drain=OURS, retire_seen=True, **ASKED, **ENDS)
    answer = planned(1, leaving, drain_before_s=200)
    assert (names(answer, Unretire), bought(answer)) == ([], 1)
    answer = planned(1, replace(leaving, lease_end=NOW + 1000), drain_before_s=200)
    assert (names(answer, Unretire), bought(answer)) == (["vm1"], 0)


def test_buys_a_replacement_after_two_unretires_without_effect() -> None:
    """Rule 7: only a cancelled drain is capacity."""
    back = vm("vm1", VMState.RETIRING, claims=1, drain=OURS, **BACK)
    for times, n in ((1, 0), (2, 1), (20, 1)):
        memory = Memory(sent={"vm1": NOW - 90_000}, attempts={"vm1": Attempts("unretire", times)})
        answer = planned(1, back, memory=memory)
        assert names(answer, Unretire) == ["vm1"]
        assert bought(answer) == n
