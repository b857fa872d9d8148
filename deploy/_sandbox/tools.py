"""Tools of the host: find them, install them where that is possible, run them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .places import Missing, cache, say


def need(tool: str, package: str) -> str:
    """Path of ``tool``; Debian's ``package`` is installed for it when we may."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    found = shutil.which(tool, path=path)
    if not found:
        _install(tool, package)
        found = shutil.which(tool, path=path)
    if not found:
        raise Missing(f"{tool} is missing and {package} did not bring it: install it and try again")
    return found


def host_python(names: list[str]) -> str:
    """The first of these interpreters that is 3.11 or newer and can make a venv."""
    for name in names:
        path = shutil.which(name)
        if not path or not _succeeds(path, "import sys; sys.exit(sys.version_info < (3, 11))"):
            continue
        if not _succeeds(path, "import ensurepip"):
            _install("Python's venv module", "python3-venv")
        return path
    raise Missing("Python 3.11 or newer is needed: put one on PATH as python3")


def _succeeds(python: str, program: str) -> bool:
    return subprocess.run([python, "-c", program], stderr=subprocess.DEVNULL).returncode == 0


def _install(tool: str, package: str) -> None:
    ask = f"{tool} is missing: as root, run: apt-get install {package}"
    if not shutil.which("apt-get"):
        raise Missing(f"{tool} is missing: install {package} with this system's package manager")
    root: list[str] = []
    if os.geteuid() != 0:
        if not shutil.which("sudo") or subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode != 0:
            raise Missing(ask)
        root = ["sudo", "-n"]
    say(f"installing {package}")
    install = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-y", "--no-install-recommends"]
    install += ["install", package]
    try:
        run(install, "installing " + package)
    except Missing:
        # Without package lists, or with old ones, apt-get finds nothing.
        run([*root, "apt-get", "-qq", "update"], "apt-get update", f"{ask} (the package lists can't be fetched)")
        run(install, "installing " + package, ask)


def run(command: list[str], what: str, advice: str = "", env: dict[str, str] | None = None) -> None:
    """Run a builder, its output kept in a log that is shown only when it fails (or with SANDBOX_VERBOSE)."""
    if os.environ.get("SANDBOX_VERBOSE"):
        failed = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, env=env).returncode != 0
        tail = ""
    else:
        log = cache() / f"build-{os.getpid()}.log"
        with open(log, "wb") as out:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=env)
        failed = done.returncode != 0
        tail = "\n".join(Path(log).read_text(errors="replace").strip().splitlines()[-15:])
        log.unlink()
    if failed:
        if tail:
            print(tail, file=sys.stderr)
        raise Missing(f"{what} failed" + (f": {advice}" if advice else ""))
