"""What a VM job and its VM are told about their end (rules 5, 9), and what nobody may read (rule 11)."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from factory.condor.schedd.vm_jobs import queue_vm_jobs
from factory.condor.tools.dry_run import dummy_token
from factory.plugin.batchsubmit import Submission, Token
from tests.rig.queues import NOW, VMS, commands, make_queue, submit_tools

TOKEN = dummy_token("apf", 1)


def submission(directory: Path, lifetimes: list[int] | None = None, **own: object) -> Submission:
    keys = {f"batchsubmit.condorec2.{key}": value for key, value in own.items()}
    queue = make_queue(directory, {**VMS, **keys}, factory={"update_interval": 120})

    def token(lifetime_s: int) -> Token:
        if lifetimes is not None:
            lifetimes.append(lifetime_s)
        return Token(TOKEN, "apf@pool.example")

    return queue.batchsubmit.submission(1, (), submit_tools(directory, token=token))


def document(made: Submission) -> dict[str, Any]:
    """The cloud-config of the only VM."""
    (content,) = made.files.values()
    return dict(yaml.safe_load(content))


def condor(made: Submission) -> dict[str, str]:
    """HTCondor's configuration on the VM."""
    (content,) = (file["content"] for file in document(made)["write_files"] if file["path"].endswith("/90-apf"))
    pairs = (line.split(" = ", 1) for line in content.splitlines() if " = " in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, value in pairs}


def test_the_lease_ends_the_vm_job_and_cannot_be_left_out(tmp_path: Path) -> None:
    leases: list[tuple[dict[str, Any], int]] = [({}, 172_800), ({"lease": "1h"}, 3600)]
    for own, end in leases:
        lines = commands(submission(tmp_path, **own))
        assert lines["MY.TimerRemove"] == "APFLeaseEnd", "HTCondor reads this one again and again"
        assert lines["periodic_remove"] == "time() > TimerRemove || time() > APFLeaseMax"
        assert (lines["MY.APFLeaseEnd"], lines["MY.APFLeaseMax"]) == ("$(lease_end)", "$(lease_max)")
        assert lines["lease_end"] == str(int(NOW) + end)


def test_the_vm_ends_itself_at_the_longest_lease_and_when_it_is_unclaimed_for_long(tmp_path: Path) -> None:
    made = submission(tmp_path, lease="1h", lease_max="90m", idle="20m")
    assert document(made)["power_state"] == {"mode": "poweroff", "delay": "+90"}
    assert condor(made)["STARTD_NOCLAIM_SHUTDOWN"] == "1200"
    assert "STARTD_StartTime == 0" in condor(made)["MASTER.DAEMON_SHUTDOWN_FAST"]
    assert (condor(made)["APF_STARTD_STARTS"], condor(made)["APF_STARTD_RETURNS"]) == ("120", "300")
    assert condor(made)["DEFAULT_MASTER_SHUTDOWN_SCRIPT"] == "$(ETC)/apf-poweroff"
    assert document(submission(tmp_path, lease=61))["power_state"]["delay"] == "+2", "never before the lease"


def test_timer_token_and_job_have_the_same_last_end(tmp_path: Path) -> None:
    """What was made for ``lease_max`` when the VM was submitted can't be made longer; no extension goes beyond."""
    lifetimes: list[int] = []
    made = submission(tmp_path, lifetimes, lease="1h", lease_max="3h")
    assert lifetimes == [3 * 3600]
    assert commands(made)["lease_max"] == str(int(NOW) + 3 * 3600)
    assert document(made)["power_state"]["delay"] == "+180"


def test_a_retirement_waits_for_the_jobs_however_long_they_run(tmp_path: Path) -> None:
    """Rule 5: longer than any lease."""
    config = condor(submission(tmp_path))
    assert int(config["MAXJOBRETIREMENTTIME"]) > 10 * 365 * 86_400
    assert int(config["SHUTDOWN_GRACEFUL_TIMEOUT"]) > 10 * 365 * 86_400


def test_master_and_startd_have_one_name_that_no_other_vm_has(tmp_path: Path) -> None:
    config = condor(submission(tmp_path))
    assert config["MASTER_NAME"] == config["STARTD_NAME"] == "vm-1"
    assert config["APFVM"] == '"vm-1"'


def test_the_token_lives_no_longer_than_the_vm_may(tmp_path: Path) -> None:
    lifetimes: list[int] = []
    submission(tmp_path, lifetimes, lease="1h", lease_max="2h")
    submission(tmp_path, lifetimes, lease="1h")
    assert lifetimes == [7200, 3600]


def test_the_token_is_in_the_user_data_alone_and_private_on_the_vm(tmp_path: Path) -> None:
    """Rule 11."""
    made = submission(tmp_path)
    assert TOKEN not in made.description
    assert all(TOKEN not in value for item in made.items for value in item.values())
    files = [file for file in document(made)["write_files"] if TOKEN in file["content"]]
    assert [(file["path"], file["permissions"]) for file in files] == [("/etc/condor/tokens.d/apf", "0600")]


def test_the_vm_is_of_this_factory_and_this_incarnation(tmp_path: Path) -> None:
    """Rule 10."""
    lines = commands(submission(tmp_path))
    for attribute, value in (("APFFactory", "f1"), ("APFIncarnation", "1 host 2")):
        assert lines[f"MY.{attribute}"] == f'"{value}"'
    assert condor(submission(tmp_path))["APFFactory"] == '"f1"'


@pytest.mark.parametrize("maximum", [None, 7])
def test_submission_carries_the_hard_cap_of_the_queue(tmp_path: Path, maximum: int | None) -> None:
    """Rule 6: the worker that submits counts again."""
    own: dict[str, Any] = {} if maximum is None else {"maxinstances": maximum}
    assert submission(tmp_path, **own).maximum == maximum


def test_hard_cap_counts_vm_jobs_of_the_queue_in_any_state() -> None:
    """Rule 6."""
    counted = 'Owner =?= "apf" && APFFactory =?= "f1" && APFVM =!= undefined && APF_QUEUE =?= "Q"'
    assert queue_vm_jobs("apf", "f1", "Q") == counted


def test_a_machine_shows_how_it_was_made_and_new_ones_are_expected_to_be_made_so(tmp_path: Path) -> None:
    made = submission(tmp_path)
    build = made.items[0]["build"]
    assert condor(made)["APFBuild"] == f'"{build}"'
    assert "APFBuild" in condor(made)["STARTD_ATTRS"].split()
    (template,) = make_queue(tmp_path, VMS, factory={"update_interval": 120}).batchsubmit.templates()
    assert template.build == build
    assert not {"APFBuild", "APFVM"} & {name for name, _ in template.attributes}
