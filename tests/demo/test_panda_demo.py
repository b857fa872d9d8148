"""The PanDA scenario of the demo on real daemons: 40 jobs, two queues."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.demo.test_demo import play


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str, Path]:
    """Exit status, printed text and output directory."""
    return play(tmp_path_factory.mktemp("panda"), "--scenario", "panda", "--job-seconds", "5", timeout_s=240)


@pytest.fixture(scope="module")
def report(played: tuple[int, str, Path]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((played[2] / "demo-report.json").read_text())
    return read


def test_exits_0_when_all_checks_passed(played: tuple[int, str, Path]) -> None:
    status, printed, _ = played
    assert status == 0, printed
    assert "All checks passed" in printed
    assert "\x1b" not in printed


def test_all_40_jobs_finish_in_pilots_that_are_never_evicted(report: dict[str, Any]) -> None:
    figures = report["scenario_figures"]
    assert figures["PanDA jobs activated"] == figures["PanDA jobs finished"] == 40
    assert report["failures"] == [], "no PanDA job is left in another state"
    assert report["jobs_evicted"] == 0
    assert report["jobs_completed"] == report["jobs_submitted"] >= 40, "of the pilots"


def test_buys_vms_for_idle_pilots_up_to_the_limit_and_ends_them(report: dict[str, Any]) -> None:
    assert report["vms_started"] == report["vms_limit"], "there is work for more"
    assert report["vms_terminated"] == report["vms_started"]
    assert report["vms_leaked"] == report["vm_jobs_left"] == 0


def test_both_queues_decide_and_no_action_fails(report: dict[str, Any], played: tuple[int, str, Path]) -> None:
    assert report["decisions"].keys() == {"BNL_CLOUD", "BNL_CLOUD-ec2"}
    assert all(count > 5 for count in report["decisions"].values())
    assert report["failed_actions"] == []
    assert "BNL_CLOUD: submit 20: Ready → 40 (40 ready, 0 pending); MaxPerCycle → 20" in played[1]
    assert "BNL_CLOUD-ec2: submit 4:" in played[1]
    assert "[BNL_CLOUD-ec2]" in (played[2] / "logs" / "queues.conf").read_text()
