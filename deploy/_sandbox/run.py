"""What deploy/sandbox and deploy/venv do: pick the place, make what is missing, become the command."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from . import bubble, debian
from .places import CHECKOUT, VENV_INSIDE, Missing, cache, prune, say
from .tools import host_python, run
from .venv import HOST_EXTRAS, LOCK_FILE, RUN_EXTRAS, Venv, checkout_id, dependencies_id


def main(command: list[str], usage: str) -> int:
    """Run ``command`` where HTCondor is; returns only when that can't be."""
    if not command or command[0] in ("-h", "--help"):
        print(usage.strip())
        return 0 if command else 2
    try:
        if os.environ.get("APF_SANDBOX"):
            become(command)
        elif shutil.which("condor_master") and shutil.which("ec2_gahp"):
            on_host(command)
        else:
            in_bubble(command)
    except Missing as missing:
        say(str(missing))
    except KeyboardInterrupt:
        say("interrupted")
    return 1


def in_bubble(command: list[str]) -> None:
    """No HTCondor on this host: bring a root that has it."""
    root = debian.root()
    directory = _cached(debian.suite())
    Venv(directory, VENV_INSIDE, "python3", RUN_EXTRAS, True, bubble.builder(root)).refresh()
    become([*bubble.enter(root, directory), *command])


def on_host(command: list[str]) -> None:
    """HTCondor is installed here: only the venv is needed, of the Python that has htcondor2."""
    directory = _cached("host")
    python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
    Venv(directory, str(directory), host_python([python]), RUN_EXTRAS, True, _plain).refresh()
    os.environ["PATH"] = f"{directory}/bin{os.pathsep}{os.environ['PATH']}"
    os.environ["VIRTUAL_ENV"] = str(directory)
    become(command)


def make_host_venv() -> int:
    """Make or refresh .venv."""
    directory = CHECKOUT / ".venv"
    names = [sys.executable, "python3.11", "python3.12", "python3.13", "python3.14"]
    try:
        Venv(directory, str(directory), host_python(names), HOST_EXTRAS, False, _plain).refresh()
    except Missing as missing:
        say(str(missing))
        return 1
    return 0


def become(command: list[str]) -> None:
    """Replace this process by ``command``."""
    sys.stdout.flush()
    try:
        os.execvp(command[0], command)
    except OSError as error:
        raise Missing(f"{command[0]}: {error.strerror}") from None


def _cached(place: str) -> Path:
    """The cached venv of this checkout, apart for each set of dependencies; those it replaces are removed."""
    stem = f"venv-{place}-{checkout_id()}"
    directory = cache() / f"{stem}-{dependencies_id(RUN_EXTRAS)}"
    if not directory.is_dir():
        prune((old for old in cache().glob("venv-*-*-*") if old.name.startswith(stem) or _orphaned(old)), LOCK_FILE)
    return directory


def _orphaned(venv: Path) -> bool:
    """The venv's checkout is gone."""
    stamp = venv / LOCK_FILE
    return stamp.is_file() and not Path(stamp.read_text()).is_dir()


def _plain(directory: Path, command: list[str], what: str, advice: str) -> None:
    run(command, what, advice)
