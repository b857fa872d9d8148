"""The demo, small, without a terminal: as `make demo` runs it, on real daemons."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.rig.signals import DEFAULT_SIGNALS, ignoring
from tests.rig.wait import until


def start(output: Path, *options: str, module: str = "localcloud.demo", **environment: str) -> "subprocess.Popen[str]":
    """Start a demo with its output directory, on a pipe."""
    return subprocess.Popen(
        [*DEFAULT_SIGNALS, sys.executable, "-m", module, "--output", str(output), *options],
        env={**os.environ, "COLUMNS": "100"} | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )


def processes_naming(text: str) -> list[str]:
    """Command lines of processes that mention it, in their arguments or in their environment."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
            around = (entry / "environ").read_bytes()
        except OSError:
            continue
        if text.encode() in command + around:
            found.append(command.replace(b"\0", b" ").decode())
    return found


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str, Path]:
    """Exit status, what was printed, and the output directory of a small demo."""
    output = tmp_path_factory.mktemp("demo")
    demo = start(output, "--jobs", "6", "--second", "1", "--job-seconds", "3")
    try:
        printed, _ = demo.communicate(timeout=170)
    except subprocess.TimeoutExpired:
        demo.terminate()
        printed, _ = demo.communicate(timeout=60)
    return demo.returncode, printed, output


@pytest.fixture(scope="module")
def report(played: tuple[int, str, Path]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((played[2] / "demo-report.json").read_text())
    return read


def test_a_demo_that_goes_well_exits_0(played: tuple[int, str, Path]) -> None:
    status, printed, _ = played
    assert status == 0, printed
    assert "All went as it should." in printed


def test_all_jobs_complete_on_their_first_machine(report: dict[str, Any]) -> None:
    assert report["jobs_submitted"] == report["jobs_completed"] == report["job_starts"] == 7
    assert report["jobs_evicted"] == 0


def test_every_vm_ends_and_each_has_a_job(report: dict[str, Any]) -> None:
    assert report["vms_started"] == report["vms_terminated"] == report["vm_jobs"]
    assert report["vms_leaked"] == report["vm_jobs_left"] == 0


def test_jobs_that_wait_for_a_booting_vm_are_not_bought_for_twice(report: dict[str, Any]) -> None:
    assert [ramp["vms_started"] for ramp in report["ramps"]] == [5, 1], "jobs of one core share a machine"
    assert report["decisions_waited"] > 0


def test_the_first_vm_is_requested_within_a_cycle_and_5_s(report: dict[str, Any]) -> None:
    assert 0 <= report["first_vm_requested_s"] <= report["apfqueue_sleep_s"] + 5
    assert report["first_vm_requested_s"] <= report["first_instance_s"] < report["all_done_s"]


def test_requests_and_decisions_are_counted(report: dict[str, Any]) -> None:
    by_action = report["api_requests_by_action"]
    assert by_action["RunInstances"] == by_action["TerminateInstances"] == report["vms_started"]
    assert report["api_requests"] == sum(by_action.values())
    assert report["decisions"] > report["decisions_held"] == 0
    assert report["htcondor_version"][0].isdigit()


def test_without_a_terminal_plain_lines_tell_jobs_vms_and_reasons(played: tuple[int, str, Path]) -> None:
    printed = played[1]
    assert "\x1b" not in printed
    assert "decision: submit" in printed
    assert "6 jobs wait, 0 of them have room or will; 5 × m5.large for 6" in printed
    assert "jobs: 0 idle, 0 running, 7 done" in printed


def test_picture_configuration_and_logs_are_left(played: tuple[int, str, Path]) -> None:
    output = played[2]
    assert (output / "demo.png").read_bytes().startswith(b"\x89PNG")
    assert "[DEMO_CLOUD]" in (output / "logs" / "queues.conf").read_text()
    assert (output / "logs" / "state" / "demo" / "journal.jsonl").read_text()


def test_an_interrupt_ends_everything(tmp_path: Path) -> None:
    mark = f"marked-{os.getpid()}"
    with ignoring(signal.SIGHUP, signal.SIGINT):  # as in a shell's background job
        demo = start(tmp_path, "--jobs", "2", "--second", "0", APF_TEST_MARK=mark)
    assert demo.stdout is not None
    with demo.stdout as stream:
        printed = ""
        while "2 submitted" not in printed:
            line = stream.readline()
            assert line, printed
            printed += line
        assert any("condor_schedd" in command for command in processes_naming(mark))
        demo.send_signal(signal.SIGINT)
        printed += stream.read()
    assert demo.wait(60) == 130, printed
    assert "interrupted; everything has been ended" in printed
    until(lambda: not processes_naming(mark), "no process is left", 20)
