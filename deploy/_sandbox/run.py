"""deploy/sandbox: pick the place, make what is missing, become the command."""

from __future__ import annotations

import os
import shutil

from . import bubble, debian
from .places import CHECKOUT, VENV_INSIDE, Missing, cache, say
from .tools import run
from .venv import venv


def main(command: list[str], usage: str) -> int:
    """Run ``command``; returns only when it can't be."""
    if not command or command[0] in ("-h", "--help"):
        print(usage.strip())
        return 0 if command else 2
    try:
        if os.environ.get("APF_SANDBOX"):
            become(command)
        if shutil.which("condor_master") and shutil.which("ec2_gahp"):
            on_host(command)
        root = debian.root()
        become([*bubble.enter(root, venv(debian.suite(), VENV_INSIDE, bubble.build_in(root))), *command])
    except Missing as missing:
        say(str(missing))
    except KeyboardInterrupt:
        say("interrupted")
    return 1


def on_host(command: list[str]) -> None:
    """HTCondor is installed here: only the venv is needed."""
    ...


def become(command: list[str]) -> None:
    """Replace this process by ``command``."""
    try:
        os.execvp(command[0], command)
    except OSError as error:
        raise Missing(f"{command[0]}: {error.strerror}") from None
