"""Run HTCondor's command-line tools for what the bindings can't do: commands to machines, tokens."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

from factory.model.address import PoolAddress


class ToolError(Exception):
    """A tool failed, is missing or took too long; the message names it and the cause."""


class ToolFailed(ToolError):
    """A tool exited with an error; its output is kept."""

    def __init__(self, text: str, stdout: str, stderr: str) -> None:
        super().__init__(text)
        self.stdout = stdout
        self.stderr = stderr


def run_tool(argv: Sequence[str], timeout_s: float, keep_fds: Sequence[int] = ()) -> str:
    """Run a tool and return its standard output.

    Raises:
        ToolError: it is missing or failed, or it took longer than ``timeout_s`` and its effect is unknown.
    """
    return run_with_errors(argv, timeout_s, None, keep_fds)[0]


def run_with_errors(
    argv: Sequence[str], timeout_s: float, env: Mapping[str, str] | None = None, keep_fds: Sequence[int] = ()
) -> tuple[str, str]:
    """Run a tool and return its standard output and standard error. ``env``: its whole environment.

    Raises:
        ToolFailed: it exited with an error.
        ToolError: it is missing, or it took longer than ``timeout_s`` and its effect is unknown.
    """
    try:
        done = subprocess.run(
            list(argv), capture_output=True, text=True, timeout=timeout_s, check=False, stdin=subprocess.DEVNULL,
            pass_fds=tuple(keep_fds), env=env,
        )  # fmt: skip
    except FileNotFoundError:
        raise ToolError(f"{argv[0]} not found; install HTCondor or add its programs to PATH") from None
    except subprocess.TimeoutExpired:
        raise ToolError(f"{argv[0]} took longer than {timeout_s:.0f} s") from None
    if done.returncode != 0:
        message = " ".join((done.stderr or done.stdout).split())[:300]
        raise ToolFailed(f"{argv[0]} exited with {done.returncode}: {message}", done.stdout, done.stderr)
    return done.stdout, done.stderr


def off_argv(pool: PoolAddress, startd: str) -> list[str]:
    """Return ``condor_off -peaceful`` for one startd.

    Never use ``-constraint`` here: if its first step fails, the off is not peaceful.
    """
    return ["condor_off", *pool.options(), "-peaceful", "-daemon", "startd", "-name", startd]


def on_argv(pool: PoolAddress, startd: str) -> list[str]:
    """Return ``condor_on`` for one startd, which restarts at once or when its last job has ended."""
    return ["condor_on", *pool.options(), "-daemon", "startd", "-name", startd]


def drain_argv(pool: PoolAddress, slot: str, reason: str) -> list[str]:
    """Return ``condor_drain`` for one slot. It can be cancelled, and jobs get the machine's MAXJOBRETIREMENTTIME."""
    return ["condor_drain", *pool.options(), "-graceful", "-exit-on-completion", "-reason", reason, slot]


def cancel_argv(pool: PoolAddress, slot: str) -> list[str]:
    """Return ``condor_drain -cancel`` for one slot. Its claims become Busy again at once."""
    return ["condor_drain", *pool.options(), "-cancel", slot]
