"""The demo on real daemons, small and without a terminal."""

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


def start(output: Path, *options: str, **environment: str) -> "subprocess.Popen[str]":
    """Start a demo with its output directory and a pipe for its stdout."""
    return subprocess.Popen(
        [*DEFAULT_SIGNALS, sys.executable, "-m", "localcloud.demo", "--output", str(output), *options],
        env={**os.environ, "COLUMNS": "100"} | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )


def play(output: Path, *options: str, timeout_s: float) -> tuple[int, str, Path]:
    """Run a demo to its end; return exit status, printed text and output directory."""
    demo = start(output, *options)
    try:
        printed, _ = demo.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        demo.terminate()
        printed, _ = demo.communicate(timeout=60)
    return demo.returncode, printed, output


def processes_naming(text: str) -> list[str]:
    """Return the command lines of processes whose arguments or environment contain the text."""
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
    """Exit status, printed text and output directory of a small demo."""
    options = ("--jobs", "6", "--second", "1", "--job-seconds", "3")
    return play(tmp_path_factory.mktemp("demo"), *options, timeout_s=170)


@pytest.fixture(scope="module")
def report(played: tuple[int, str, Path]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((played[2] / "demo-report.json").read_text())
    return read


def test_exits_0_when_all_checks_passed(played: tuple[int, str, Path]) -> None:
    status, printed, _ = played
    assert status == 0, printed
    assert "All checks passed" in printed


def test_all_jobs_complete_on_their_first_vm(report: dict[str, Any]) -> None:
    assert report["jobs_submitted"] == report["jobs_completed"] == report["job_starts"] == 7
    assert report["jobs_evicted"] == 0


def test_every_vm_job_has_one_instance_and_it_is_terminated(report: dict[str, Any]) -> None:
    assert report["vms_started"] == report["vms_terminated"] == report["vm_jobs"]
    assert report["vms_leaked"] == report["vm_jobs_left"] == 0


def test_buys_no_second_vm_for_jobs_that_wait_for_a_booting_vm(report: dict[str, Any]) -> None:
    assert [ramp["vms_started"] for ramp in report["ramps"]] == [5, 1], "jobs of one core share a VM"
    assert report["decisions_waited"] > 0


def test_reports_the_time_of_the_first_vm_and_notes_it_when_slow(report: dict[str, Any]) -> None:
    assert 0 <= report["first_vm_requested_s"] <= report["first_instance_s"] < report["all_done_s"]
    assert report["first_vm_expected_s"] == report["apfqueue_sleep_s"] + 5
    slow = report["first_vm_requested_s"] > report["first_vm_expected_s"]
    assert any("the first VM was requested after" in note for note in report["notes"]) == slow
    assert report["failures"] == []


def test_counts_requests_and_decisions(report: dict[str, Any]) -> None:
    by_action = report["api_requests_by_action"]
    assert by_action["RunInstances"] == by_action["TerminateInstances"] == report["vms_started"]
    assert report["api_requests"] == sum(by_action.values())
    assert report["decisions"]["DEMO_CLOUD"] > report["decisions_blocked"] == 0
    assert report["htcondor_version"][0].isdigit()


def test_prints_plain_lines_without_a_terminal(played: tuple[int, str, Path]) -> None:
    printed = played[1]
    assert "\x1b" not in printed
    assert "DEMO_CLOUD: submit 4: Fit → 5 (" in printed
    assert "buy 5 × m5.large for 6 jobs" in printed
    assert "jobs: 0 idle, 0 running, 7 done" in printed


def test_leaves_picture_configuration_and_logs(played: tuple[int, str, Path]) -> None:
    output = played[2]
    assert (output / "demo.png").read_bytes().startswith(b"\x89PNG")
    assert "[DEMO_CLOUD]" in (output / "logs" / "queues.conf").read_text()
    assert (output / "logs" / "state" / "demo" / "journal.jsonl").read_text()
    assert "Job terminated" in (output / "logs" / "jobs.log").read_text()


def test_interrupt_ends_everything(tmp_path: Path) -> None:
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
    assert "Interrupted; all daemons and VMs have been ended." in printed
    until(lambda: not processes_naming(mark), "no process is left", 20)
