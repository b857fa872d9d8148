"""The elastic cluster end to end, as `make demo-panda` runs it: 40 jobs of PanDA, two queues, real daemons."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.demo.test_demo import start


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str, Path]:
    """Exit status, what was printed, and the output directory."""
    output = tmp_path_factory.mktemp("panda")
    demo = start(output, "--job-seconds", "5", module="localcloud.pandademo")
    try:
        printed, _ = demo.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        demo.terminate()
        printed, _ = demo.communicate(timeout=60)
    return demo.returncode, printed, output


@pytest.fixture(scope="module")
def report(played: tuple[int, str, Path]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((played[2] / "panda-report.json").read_text())
    return read


def test_it_exits_0_when_everything_went_as_it_should(played: tuple[int, str, Path]) -> None:
    status, printed, _ = played
    assert status == 0, printed
    assert "All went as it should." in printed
    assert "\x1b" not in printed


def test_all_40_jobs_finish_in_pilots_that_nobody_evicts(report: dict[str, Any]) -> None:
    assert report["jobs_activated"] == report["jobs_finished"] == 40
    assert report["jobs_left"] == report["pilots_evicted"] == 0
    assert report["pilots_completed"] == report["pilots_submitted"] >= 40


def test_pilots_that_wait_become_vms_up_to_the_limit_and_all_of_them_go(report: dict[str, Any]) -> None:
    assert report["vms_started"] == report["vms_most"], "there is work for more"
    assert report["vms_terminated"] == report["vms_started"]
    assert report["vms_leaked"] == report["vm_jobs_left"] == 0


def test_both_queues_decide_and_nothing_fails(report: dict[str, Any], played: tuple[int, str, Path]) -> None:
    assert all(count > 5 for count in report["decisions"].values())
    assert report["failed_actions"] == []
    assert "BNL_CLOUD: submit 20: Ready 40 (40 ready, 0 pending); MaxPerCycle 20" in played[1]
    assert "BNL_CLOUD-ec2: submit 4:" in played[1]
    assert "[BNL_CLOUD-ec2]" in (played[2] / "logs" / "queues.conf").read_text()
