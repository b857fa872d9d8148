"""Tools of the host: find them, install them where that is possible, run them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile

from .places import Missing, say


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
    """The first of these interpreters that is 3.11 or newer, with the venv module installed if we may."""
    for name in names:
        path = shutil.which(name)
        if path and _succeeds([path, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]):
            if not _succeeds([path, "-c", "import ensurepip"]):
                _install("Python's venv module", "python3-venv")
            return path
    raise Missing("Python 3.11 or newer is needed: put one on PATH as python3")


def _install(tool: str, package: str) -> None:
    if not shutil.which("apt-get"):
        raise Missing(f"{tool} is missing: install {package} with this system's package manager")
    ask = f"{tool} is missing: as root, run: apt-get install {package}"
    become_root: list[str] = []
    if os.geteuid() != 0:
        become_root = ["sudo", "-n"]
        if not shutil.which("sudo") or not _succeeds([*become_root, "true"]):
            raise Missing(ask)
    apt_get = [*become_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    install = [*apt_get, "-y", "--no-install-recommends", "install", package]
    say(f"installing {package}")
    # Without package lists, or with old ones, apt-get finds nothing.
    if not _succeeds(install):
        run([*apt_get, "update"], "apt-get update", f"{ask} (the package lists can't be fetched)")
        run(install, f"installing {package}", ask)


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def run(command: list[str], what: str, advice: str = "") -> None:
    """Run a builder; what it prints is shown only when it fails, or at once with SANDBOX_VERBOSE."""
    verbose = bool(os.environ.get("SANDBOX_VERBOSE"))
    with tempfile.TemporaryFile() as log:
        out = sys.stderr if verbose else log
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False)
        log.seek(0)
        lines = log.read().decode(errors="replace").strip().splitlines()
    if done.returncode != 0:
        if lines:
            print("\n".join(lines[-15:]), file=sys.stderr)
        raise Missing(f"{what} failed" + (f": {advice}" if advice else ""))
