"""Signals of processes that tests start."""

from __future__ import annotations

import signal
import subprocess
import sys

from tests.rig.signals import DEFAULT_SIGNALS, ignoring

CODE = (
    "import signal; print(*(signal.getsignal(number) == signal.SIG_IGN for number in (signal.SIGHUP, signal.SIGINT)))"
)


def ignored(*command: str) -> list[str]:
    """Return "True" for each of SIGHUP and SIGINT that a process ignores."""
    return subprocess.run(
        [*command, sys.executable, "-c", CODE], capture_output=True, text=True, check=True
    ).stdout.split()


def test_a_process_heeds_signals_that_the_parent_of_the_tests_ignores() -> None:
    with ignoring(signal.SIGHUP, signal.SIGINT):
        assert ignored() == ["True", "True"]
        assert ignored(*DEFAULT_SIGNALS) == ["False", "False"]
