"""The commands deploy/sandbox, deploy/venv and deploy/lock."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from . import bubble, debian
from .lock import constraints, python_version, resolve
from .packages import Packages
from .places import CHECKOUT, PACKAGES_INSIDE, VENV_INSIDE, Missing, cache, prune, say
from .setup_cfg import CONSTRAINTS, HOST_EXTRAS, RUN_EXTRAS
from .tools import host_python, need, run
from .venv import LOCK_FILE, Venv, checkout_id


def main(command: list[str], usage: str) -> int:
    """Run ``command`` beside HTCondor; return only if that is impossible."""
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
            become([*bubble.enter(root, in_root(root)), *command])
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
        older = for_checks().packages
        newer = (on_host() if _htcondor_here() else in_root(_root())).packages
        text = constraints(resolve(older), resolve(newer), python_version(newer))
    except Missing as missing:
        say(str(missing))
        return 1
    CONSTRAINTS.write_text(text)
    return 0


def in_root(root: Path) -> Venv:
    """Return the venv beside the HTCondor of a root, up to date."""
    shell = bubble.builder(root)
    packages = Packages(debian.suite(), root.name, "python3", RUN_EXTRAS, True, shell, PACKAGES_INSIDE)
    return _cached(packages, VENV_INSIDE)


def on_host() -> Venv:
    """Return the venv beside the HTCondor of this host, up to date; its Python is the one that has htcondor2."""
    python, version = host_python(["/usr/bin/python3", sys.executable])
    return _cached(Packages(f"host{version}", python, python, RUN_EXTRAS, True, _plain), "")


def for_checks() -> Venv:
    """Return .venv, for all that needs no HTCondor, up to date."""
    directory = CHECKOUT / ".venv"
    python, version = host_python([sys.executable, "python3.11", "python3.12", "python3.13", "python3.14"])
    packages = Packages(f"checks{version}", python, python, HOST_EXTRAS, False, _plain)
    return Venv(directory, str(directory), packages).refreshed()


def become(command: list[str]) -> None:
    """Replace this process by ``command``."""
    sys.stdout.flush()
    try:
        os.execvp(command[0], command)
    except OSError as error:
        raise Missing(f"{command[0]}: {error.strerror}") from None


def _root() -> Path:
    """Return the root for the suite; before one is built, all else that it takes is checked."""
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


def _cached(packages: Packages, inside: str) -> Venv:
    """Return the cached venv of this checkout for these packages, up to date; venvs that it replaces are removed."""
    stem = f"venv-{packages.place}-{checkout_id()}"
    directory = cache() / f"{stem}-{packages.digest}"
    if not directory.is_dir():
        old = [path for path in cache().glob("venv-*-*-*") if path.name.startswith(stem) or _orphaned(path)]
        prune(old, LOCK_FILE)
    return Venv(directory, inside or str(directory), packages).refreshed()


def _orphaned(venv: Path) -> bool:
    """True if the venv's checkout is gone."""
    stamp = venv / LOCK_FILE
    return stamp.is_file() and not Path(stamp.read_text()).is_dir()


def _plain(_directory: Path, _inside: str, command: list[str], what: str, advice: str) -> None:
    run(command, what, advice)
