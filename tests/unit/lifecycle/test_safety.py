"""Safety against faults that cost jobs, machines or money while everything looks fine."""

import os
import pwd
from typing import Any

import pytest
from pydantic import ValidationError

from factory.condor.collector.machines import fold_instances, fold_masters, fold_slots
from factory.lifecycle.held_jobs import HeldJob
from factory.lifecycle.plan import plan
from factory.lifecycle.policy import VMPolicy
from factory.model.actions import Remove, Submit
from factory.model.ask import Ask
from factory.model.memory import Memory, Seen
from factory.model.shape import Shape
from factory.model.status import BatchStatus
from factory.model.vm import Hold, VMState
from factory.settings.factory import account
from plugins.batchsubmit.submitlines import SubmitLines
from tests.rig.vms import NOW, vm

POLICY = VMPolicy(queue="Q", shape=Shape("ami-1", "m5.large"), removefraction=1, update_interval_s=30)
SLOT: dict[str, Any] = {"APFVM": "u-1", "State": "Unclaimed", "LastHeardFrom": NOW, "MyCurrentTime": NOW}


def test_removes_a_vm_job_without_instance_only_if_no_ad_exists() -> None:
    """RunInstances may succeed while its answer is lost; then the startd joins before the instance id is known."""
    asked = plan(POLICY, Ask(-1), BatchStatus.of_vms([vm("u-1", VMState.SUBMITTED)]), Memory(), NOW).actions
    late = plan(
        POLICY, Ask(), BatchStatus.of_vms([vm("u-1", VMState.SUBMITTED, submitted=NOW - 9999)]), Memory(), NOW
    ).actions
    hold = Hold(40, 12, "Error from GAHP: timed out", None)
    held = HeldJob(vm("u-1", VMState.HELD, job_status=5, instance=None, hold=hold)).action(0, 60, "drain", NOW)
    for action in (*asked, *late, held):
        assert isinstance(action, Remove)
        assert action.absent
        assert action.vm is not None


def test_fresh_mass_loss_stops_purchases() -> None:
    lost = [vm(f"u-{i}", VMState.LOST) for i in range(8)]
    memory = Memory(vms={known.uuid: Seen(joined=NOW - 900, gone=NOW - 5) for known in lost})
    answer = plan(POLICY, Ask(8), BatchStatus.of_vms(lost), memory, NOW)
    assert not [action for action in answer.actions if isinstance(action, Submit)]
    assert any("pausing purchases" in note for note in answer.notes)


def test_ignores_ads_under_a_name_that_is_not_the_vms_own() -> None:
    """A job on another machine can advertise anything, except under the name that our user-data gives."""
    real = {**SLOT, "Name": "slot1@u-1@host"}
    forged = {**SLOT, "Name": "slot1@zzz", "EC2InstanceID": "i-other"}
    assert fold_slots([real, forged], NOW, [])["u-1"].name == "u-1@host"
    assert fold_slots([forged], NOW, []) == {}
    assert fold_instances([forged, {**real, "EC2InstanceID": "i-1"}]) == {"u-1": {"i-1"}}
    assert fold_instances([real, {**real, "EC2InstanceID": "i-2"}]) == {"u-1": {"", "i-2"}}
    masters: list[dict[str, Any]] = [
        {"APFVM": "u-1", "Name": "zzz", "STARTD_StartTime": 0},
        {"APFVM": "u-1", "Name": "u-1@host"},
    ]
    assert [row.name for row in fold_masters(masters, NOW, []).values()] == ["u-1@host"]


def test_unreadable_ad_hides_no_other_machine() -> None:
    bad = {**SLOT, "Name": "slot1@u-2@host", "APFVM": "u-2", "NumDynamicSlots": "x"}
    problems: list[str] = []
    rows = fold_slots([bad, {**SLOT, "Name": "slot1@u-1@host"}], NOW, problems)
    assert rows.keys() == {"u-1", "u-2"}
    assert rows["u-1"].claims == 0
    assert (rows["u-2"].claims, rows["u-2"].idle_since) == (1, None), "it counts as busy, so that nothing ends it"
    assert ["slot1@u-2@host" in problem for problem in problems] == [True]
    assert "NumDynamicSlots = 'x' is no number" in problems[0]


def test_unreadable_ad_hides_no_other_ad_of_its_machine() -> None:
    forged = {**SLOT, "Name": "slot9@u-1@host", "NumDynamicSlots": "x"}
    (row,) = fold_slots([forged, {**SLOT, "Name": "slot1@u-1@host"}], NOW, []).values()
    assert (row.slots, row.claims) == (("slot1@u-1@host",), 0)
    masters = [{"APFVM": "u-2", "Name": "u-2", "STARTD_StartTime": "x"}, {"APFVM": "u-1", "Name": "u-1"}]
    assert set(fold_masters(masters, NOW, [])) == {"u-1"}


def test_owner_is_the_effective_account_not_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody")
    assert account() == pwd.getpwuid(os.geteuid()).pw_name


@pytest.mark.parametrize("name", ["+APFVM", "MY.APFFactory", "+match_apf_queue", "my.APF_QUEUE"])
def test_rejects_submit_lines_that_hide_a_job_from_its_factory(name: str) -> None:
    with pytest.raises(ValidationError, match="the factory sets"):
        SubmitLines(condor_attribute={name: '"x"'})
    with pytest.raises(ValidationError, match="the factory sets"):
        SubmitLines(condor_attributes=f'{name} = "x"')


def test_rejects_a_submit_line_that_ends_in_a_backslash() -> None:
    with pytest.raises(ValidationError, match="backslash"):
        SubmitLines(condor_attribute={"arguments": "a \\"})
