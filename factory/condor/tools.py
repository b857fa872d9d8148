"""HTCondor's own tools, where the bindings can't (DESIGN section 8): commands to machines, tokens."""

from __future__ import annotations

import base64
import binascii
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from factory.condor.daemons import PoolAddress


class ToolError(Exception):
    """A tool failed, was missing or took too long; the message says which and why."""


class Failed(ToolError):
    """A tool ended with a failure: what it printed, and what it said of it."""

    def __init__(self, text: str, printed: str, said: str) -> None:
        super().__init__(text)
        self.printed = printed
        self.said = said


def run(argv: Sequence[str], timeout_s: float, keep_fds: Sequence[int] = ()) -> str:
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
        Failed: it ended with a failure.
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
        raise Failed(f"{argv[0]} exited with {done.returncode}: {said}", done.stdout, done.stderr)
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


def token_argv(pool: PoolAddress, lifetime_s: int) -> list[str]:
    """``condor_token_fetch`` for a VM: it may advertise itself and read, and nothing else."""
    scopes = [word for scope in ("ADVERTISE_STARTD", "ADVERTISE_MASTER", "READ") for word in ("-authz", scope)]
    return ["condor_token_fetch", *pool.options(), "-type", "collector", *scopes, "-lifetime", str(lifetime_s)]


@dataclass(frozen=True)
class Claims:
    """What a token says of itself; times are epoch seconds."""

    subject: str
    """The identity that it stands for, such as ``apf@pool``."""
    issued: int
    expires: int | None


def token_claims(token: str) -> Claims:
    """What a token says of itself; its signature is not checked.

    Raises:
        ToolError: it is no token.
    """
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        expires = claims.get("exp")
        return Claims(str(claims["sub"]), int(claims.get("iat", 0)), None if expires is None else int(expires))
    except (IndexError, ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        raise ToolError("condor_token_fetch brought no token") from None


def token_subject(token: str) -> str:
    """The identity that a token stands for.

    Raises:
        ToolError: it is no token.
    """
    return token_claims(token).subject
