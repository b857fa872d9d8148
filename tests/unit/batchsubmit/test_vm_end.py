"""The end of VM jobs and VMs by description and user-data (rules 5, 9), and their secrets (rule 11)."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from factory.condor.schedd.vm_jobs import queue_vm_jobs
from factory.condor.tools.dry_run import dummy_token
from factory.plugin.batchsubmit import Submission, Token, VMSubmitPlugin
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
    """Return the cloud-config of the only VM."""
    (content,) = made.files.values()
    return dict(yaml.safe_load(content))


def condor(made: Submission) -> dict[str, str]:
    """Return HTCondor's configuration on the VM."""
    (content,) = (file["content"] for file in document(made)["write_files"] if file["path"].endswith("/90-apf"))
    pairs = (line.split(" = ", 1) for line in content.splitlines() if " = " in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, value in pairs}


def test_lease_ends_the_vm_job_and_is_always_set(tmp_path: Path) -> None:
    leases: list[tuple[dict[str, Any], int]] = [({}, 172_800), ({"lease": "1h"}, 3600)]
    for own, end in leases:
        lines = commands(submission(tmp_path, **own))
        assert lines["MY.TimerRemove"] == "APFLeaseEnd", "the gridmanager reads this attribute every minute"
        assert lines["periodic_remove"] == "time() > TimerRemove || time() > APFLeaseMax"
        assert (lines["MY.APFLeaseEnd"], lines["MY.APFLeaseMax"]) == ("$(lease_end)", "$(lease_max)")
        assert lines["lease_end"] == str(int(NOW) + end)


def test_vm_shuts_down_at_lease_max_and_when_long_unclaimed(tmp_path: Path) -> None:
    made = submission(tmp_path, lease="1h", lease_max="90m", idle="20m")
    assert document(made)["power_state"] == {"mode": "poweroff", "delay": "+90"}
    assert condor(made)["STARTD_NOCLAIM_SHUTDOWN"] == "1200"
    assert "STARTD_StartTime == 0" in condor(made)["MASTER.DAEMON_SHUTDOWN_FAST"]
    assert (condor(made)["APF_STARTD_STARTS"], condor(made)["APF_STARTD_RETURNS"]) == ("120", "300")
    assert condor(made)["DEFAULT_MASTER_SHUTDOWN_SCRIPT"] == "$(ETC)/apf-poweroff"
    assert document(submission(tmp_path, lease=61))["power_state"]["delay"] == "+2", "never before the lease"


def test_timer_token_and_job_have_the_same_latest_end(tmp_path: Path) -> None:
    """All three are fixed at submit for ``lease_max``, so no extension goes beyond."""
    lifetimes: list[int] = []
    made = submission(tmp_path, lifetimes, lease="1h", lease_max="3h")
    assert lifetimes == [3 * 3600]
    assert commands(made)["lease_max"] == str(int(NOW) + 3 * 3600)
    assert document(made)["power_state"]["delay"] == "+180"


def test_retirement_waits_for_jobs_without_limit(tmp_path: Path) -> None:
    """Rule 5: longer than any lease."""
    config = condor(submission(tmp_path))
    assert int(config["MAXJOBRETIREMENTTIME"]) > 10 * 365 * 86_400
    assert int(config["SHUTDOWN_GRACEFUL_TIMEOUT"]) > 10 * 365 * 86_400


def test_master_and_startd_share_a_unique_name(tmp_path: Path) -> None:
    config = condor(submission(tmp_path))
    assert config["MASTER_NAME"] == config["STARTD_NAME"] == "vm-1"
    assert config["APFVM"] == '"vm-1"'


def test_token_expires_at_lease_max(tmp_path: Path) -> None:
    lifetimes: list[int] = []
    submission(tmp_path, lifetimes, lease="1h", lease_max="2h")
    submission(tmp_path, lifetimes, lease="1h")
    assert lifetimes == [7200, 3600]


def test_token_is_only_in_the_user_data_and_private_on_the_vm(tmp_path: Path) -> None:
    """Rule 11."""
    made = submission(tmp_path)
    assert TOKEN not in made.description
    assert all(TOKEN not in value for item in made.items for value in item.values())
    files = [file for file in document(made)["write_files"] if TOKEN in file["content"]]
    assert [(file["path"], file["permissions"]) for file in files] == [("/etc/condor/tokens.d/apf", "0600")]


def test_vm_job_names_factory_and_incarnation(tmp_path: Path) -> None:
    """Rule 10."""
    lines = commands(submission(tmp_path))
    for attribute, value in (("APFFactory", "f1"), ("APFIncarnation", "1 host 2")):
        assert lines[f"MY.{attribute}"] == f'"{value}"'
    assert condor(submission(tmp_path))["APFFactory"] == '"f1"'


@pytest.mark.parametrize("maximum", [None, 7])
def test_submission_has_the_hard_cap_of_the_queue(tmp_path: Path, maximum: int | None) -> None:
    """Rule 6: the worker that submits checks the cap again."""
    own: dict[str, Any] = {} if maximum is None else {"maxinstances": maximum}
    assert submission(tmp_path, **own).maximum == maximum


def test_hard_cap_counts_vm_jobs_in_any_state() -> None:
    """Rule 6."""
    counted = 'Owner =?= "apf" && APFFactory =?= "f1" && APFVM =!= undefined && APF_QUEUE =?= "Q"'
    assert queue_vm_jobs("apf", "f1", "Q") == counted


def test_template_shows_the_attributes_of_the_user_data(tmp_path: Path) -> None:
    made = submission(tmp_path)
    build = made.items[0]["build"]
    assert condor(made)["APFBuild"] == f'"{build}"'
    assert "APFBuild" in condor(made)["STARTD_ATTRS"].split()
    (template,) = make_queue(tmp_path, VMS, factory={"update_interval": 120}).batchsubmit.templates()
    assert template.build == build
    assert not {"APFBuild", "APFVM"} & {name for name, _ in template.attributes}


@pytest.mark.parametrize(
    ("own", "lost_s", "found"), [({}, 7260, 0), ({"losttimeout": "1h"}, 7260, 1), ({"losttimeout": "3h"}, 10_800, 0)]
)
def test_lost_vm_is_kept_for_longer_than_the_lease_of_a_job(
    tmp_path: Path, own: dict[str, str], lost_s: int, found: int
) -> None:
    keys = {**VMS, **{f"batchsubmit.condorec2.{key}": value for key, value in own.items()}}
    plugin = make_queue(tmp_path, keys, factory={"job_lease": "2h"}).batchsubmit
    assert isinstance(plugin, VMSubmitPlugin)
    assert plugin.policy().timeouts.lost_s == lost_s
    texts = [finding.text for finding in plugin.check() if "is too short" in finding.text]
    assert len(texts) == found
    assert all("set at least 7260 s" in text for text in texts)
