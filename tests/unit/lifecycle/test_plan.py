"""The plan as a whole: rules for any ask, mass loss, foreign startds, blast radius."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from factory.model.actions import Plan, Remove, Retire, Unretire
from factory.model.memory import Health, Memory, Seen, VanishedJob
from factory.model.vm import Hold, VMState
from tests.rig.planning import ASKED, OURS, bought, names, planned
from tests.rig.vms import NOW, vm


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


def test_vms_that_were_removed_while_booting_are_no_failures_of_their_shape() -> None:
    booting = [vm(f"vm{i}", VMState.BOOTING) for i in range(2)]
    for removed, failures in ((True, 0), (False, 2)):
        health = planned(0, *booting).health or Health()
        missing = {each.uuid: VanishedJob("Q", NOW, expected=removed) for each in booting}
        for ended in (frozenset[str](), frozenset(missing)):
            memory = Memory(health={"Q": health}, missing=missing, ended=ended)
            health = planned(0, memory=memory).health or Health()
        assert [useful for of_shape in health.launches.values() for useful in of_shape] == [False] * failures
