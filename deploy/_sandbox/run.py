"""What deploy/sandbox, deploy/venv and deploy/lock do."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from . import bubble, debian
from .lock import constraints, python_version, resolve
from .places import CHECKOUT, VENV_INSIDE, Missing, cache, prune, say
from .tools import host_python, need, run
from .venv import CONSTRAINTS, HOST_EXTRAS, LOCK_FILE, RUN_EXTRAS, Venv, checkout_id, dependencies_id


def main(command: list[str], usage: str) -> int:
    """Run ``command`` where HTCondor is; returns only when that can't be."""
    if not command or command[0] in ("-h", "--help"):
        print(usage.strip())
        return 0 if command else 2
    try:
        if os.environ.get("APF_SANDBOX"):
            become(command)
        elif _htcondor_here():
            venv = on_host()
            os.environ["PATH"] = f"{venv.inside}/bin{os.pathsep}{os.environ['PATH']}"
            os.environ["VIRTUAL_ENV"] = venv.inside
            become(command)
        else:
            root = _root()
            venv = in_root(root)
            become([*bubble.enter(root, venv.directory), *command])
    except Missing as missing:
        say(str(missing))
    except KeyboardInterrupt:
        say("interrupted")
    return 1


def make_host_venv() -> int:
    """Make or refresh .venv."""
    try:
        for_checks()
    except Missing as missing:
        say(str(missing))
        return 1
    return 0


def lock() -> int:
    """Write constraints.txt."""
    try:
        older = for_checks()
        newer = on_host() if _htcondor_here() else in_root(_root())
        text = constraints(resolve(older), resolve(newer), python_version(newer))
    except Missing as missing:
        say(str(missing))
        return 1
    CONSTRAINTS.write_text(text)
    return 0


def in_root(root: Path) -> Venv:
    """The venv beside the HTCondor of a root."""
    directory = _cached(debian.suite())
    return Venv(directory, VENV_INSIDE, "python3", RUN_EXTRAS, True, bubble.builder(root)).refreshed()


def on_host() -> Venv:
    """The venv beside the HTCondor of this host, of the Python that has its htcondor2."""
    directory = _cached("host")
    python = host_python(["/usr/bin/python3", sys.executable])
    return Venv(directory, str(directory), python, RUN_EXTRAS, True, _plain).refreshed()


def for_checks() -> Venv:
    """.venv, for what needs no HTCondor."""
    directory = CHECKOUT / ".venv"
    python = host_python([sys.executable, "python3.11", "python3.12", "python3.13", "python3.14"])
    return Venv(directory, str(directory), python, HOST_EXTRAS, False, _plain).refreshed()


def become(command: list[str]) -> None:
    """Replace this process by ``command``."""
    sys.stdout.flush()
    try:
        os.execvp(command[0], command)
    except OSError as error:
        raise Missing(f"{command[0]}: {error.strerror}") from None


def _root() -> Path:
    """The root for the suite; before one is built, all else that it takes is looked for."""
    bubble.check_place()
    target = debian.target()
    need("bwrap", *(() if target.is_dir() else debian.tools()))
    if not target.is_dir():
        bubble.check_kernel()
        debian.check()
        debian.build(target)
    return target


def _htcondor_here() -> bool:
    return bool(shutil.which("condor_master") and shutil.which("ec2_gahp"))


def _cached(place: str) -> Path:
    """The cached venv of this checkout, apart for each set of dependencies; those it replaces are removed."""
    stem = f"venv-{place}-{checkout_id()}"
    directory = cache() / f"{stem}-{dependencies_id(RUN_EXTRAS)}"
    if not directory.is_dir():
        old = [path for path in cache().glob("venv-*-*-*") if path.name.startswith(stem) or _orphaned(path)]
        prune(old, LOCK_FILE)
    return directory


def _orphaned(venv: Path) -> bool:
    """The venv's checkout is gone."""
    stamp = venv / LOCK_FILE
    return stamp.is_file() and not Path(stamp.read_text()).is_dir()


def _plain(_directory: Path, command: list[str], what: str, advice: str) -> None:
    run(command, what, advice)
