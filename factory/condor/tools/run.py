"""HTCondor's own tools, where the bindings can't (DESIGN section 8): commands to machines, tokens."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

from factory.model.address import PoolAddress


class ToolError(Exception):
    """A tool failed, was missing or took too long; the message says which and why."""


class ToolFailed(ToolError):
    """A tool ended with a failure: what it printed, and what it said of it."""

    def __init__(self, text: str, stdout: str, stderr: str) -> None:
        super().__init__(text)
        self.stdout = stdout
        self.stderr = stderr


def run_tool(argv: Sequence[str], timeout_s: float, keep_fds: Sequence[int] = ()) -> str:
    """Standard output of a tool.

    Raises:
        ToolError: it is missing, failed or took longer than ``timeout_s``; then its effect is unknown.
    """
    return run_with_errors(argv, timeout_s, None, keep_fds)[0]


def run_with_errors(
    argv: Sequence[str], timeout_s: float, env: Mapping[str, str] | None = None, keep_fds: Sequence[int] = ()
) -> tuple[str, str]:
    """Standard output and standard error of a tool, which may have an environment of its own.

    Raises:
        ToolFailed: it ended with a failure.
        ToolError: it is missing, or took longer than ``timeout_s``; then its effect is unknown.
    """
    try:
        done = subprocess.run(
            list(argv), capture_output=True, text=True, timeout=timeout_s, check=False, stdin=subprocess.DEVNULL,
            pass_fds=tuple(keep_fds), env=env,
        )  # fmt: skip
    except FileNotFoundError:
        raise ToolError(f"{argv[0]} not found; is HTCondor installed, and on the PATH?") from None
    except subprocess.TimeoutExpired:
        raise ToolError(f"{argv[0]} took longer than {timeout_s:.0f} s") from None
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).split())[:300]
        raise ToolFailed(f"{argv[0]} exited with {done.returncode}: {said}", done.stdout, done.stderr)
    return done.stdout, done.stderr


def off_argv(pool: PoolAddress, startd: str) -> list[str]:
    """``condor_off -peaceful`` of one startd. Never by ``-constraint``: a failed first step is not peaceful there."""
    return ["condor_off", *pool.options(), "-peaceful", "-daemon", "startd", "-name", startd]


def on_argv(pool: PoolAddress, startd: str) -> list[str]:
    """``condor_on`` of one startd: it starts again, at once or when its last job has ended."""
    return ["condor_on", *pool.options(), "-daemon", "startd", "-name", startd]


def drain_argv(pool: PoolAddress, slot: str, reason: str) -> list[str]:
    """``condor_drain``: as peaceful as MAXJOBRETIREMENTTIME of the machine is long, and cancellable."""
    return ["condor_drain", *pool.options(), "-graceful", "-exit-on-completion", "-reason", reason, slot]


def cancel_argv(pool: PoolAddress, slot: str) -> list[str]:
    """``condor_drain -cancel``: claims go back to Busy at once."""
    return ["condor_drain", *pool.options(), "-cancel", slot]
