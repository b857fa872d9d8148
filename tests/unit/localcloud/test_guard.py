"""The guard kills every descendant of its command."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import localcloud.guard
from tests.rig.wait import until

GUARD = localcloud.guard.__file__

ESCAPES = (
    "setsid sh -c 'sleep 600 & setsid sleep 601 & echo ready >&2; wait' & trap '' QUIT TERM; while :; do sleep 60; done"
)
"""A shell that ignores SIGQUIT and whose children leave its session."""


@pytest.fixture
def guard() -> Iterator[subprocess.Popen[str]]:
    """A guard of ESCAPES, after the children have left the session."""
    with start("sh", "-c", ESCAPES) as running:
        assert running.stderr is not None
        assert running.stderr.readline() == "ready\n"
        yield running


@pytest.fixture
def ignored_quit() -> Iterator[None]:
    """SIGQUIT ignored, as in a background job of a shell."""
    before = signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGQUIT, before)


def start(*command: str, grace_s: float = 0.2) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    full = [sys.executable, "-I", "-S", GUARD, str(grace_s), *command]
    return subprocess.Popen(full, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def family(pid: int) -> set[int]:
    return localcloud.guard._descendants(pid)


def gone(pids: set[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def reported(guard: "subprocess.Popen[str]") -> dict[str, int]:
    assert guard.stdout is not None
    return {what: int(number) for what, number in (line.split() for line in guard.stdout)}


def test_reports_the_exit_status() -> None:
    with start("sh", "-c", "exit 3") as guard:
        assert reported(guard)["status"] == 3


def test_reports_a_missing_command() -> None:
    with start("/no/such/command") as guard:
        assert reported(guard)["status"] == 127
        assert guard.stderr is not None
        assert "/no/such/command" in guard.stderr.read()


def test_kills_children_that_outlive_the_command() -> None:
    with start("sh", "-c", "setsid sleep 600 & sleep 0.1; exit 0") as guard:
        assert reported(guard)["status"] == 0
        guard.wait(60)
        assert gone(family(guard.pid))


def test_stop_sends_sigquit_even_if_guard_started_with_it_ignored(ignored_quit: None) -> None:
    with start("sh", "-c", "trap 'exit 7' QUIT; echo ready >&2; while :; do sleep 0.05; done", grace_s=30) as guard:
        assert guard.stderr is not None
        assert guard.stdin is not None
        guard.stderr.readline()
        guard.stdin.write("stop\n")
        guard.stdin.flush()
        assert reported(guard)["status"] == 7


@pytest.mark.parametrize("how", ["stop", "kill", "eof", "SIGTERM"])
def test_kills_descendants_that_left_the_session(guard: "subprocess.Popen[str]", how: str) -> None:
    below = family(guard.pid)
    assert len(below) >= 4
    assert guard.stdin is not None
    if how == "SIGTERM":
        guard.send_signal(signal.SIGTERM)
    elif how == "eof":
        guard.stdin.close()
    else:
        guard.stdin.write(f"{how}\n")
        guard.stdin.flush()
    assert reported(guard)["status"] == -signal.SIGKILL
    until(lambda: gone(below), "all gone", 5)
