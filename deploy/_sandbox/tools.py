"""Tools of the host: find them, install them where possible, run them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from .places import Missing, cache, say

DEBIAN_PACKAGES = {"bwrap": "bubblewrap", "mmdebstrap": "mmdebstrap", "newuidmap": "uidmap"}
_ABOUT = """
import os, sys
from importlib.util import find_spec
print(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
print(sys.version_info[1])
print(find_spec("ensurepip") is not None)
"""


def need(*tools: str) -> None:
    """Check that these tools are there; install the packages of those that are missing, if allowed."""
    absent = [tool for tool in tools if not shutil.which(tool)]
    if absent:
        _install(", ".join(absent), [DEBIAN_PACKAGES[tool] for tool in absent])


def host_python(names: list[str]) -> tuple[str, str]:
    """Return the first of these interpreters that is 3.11 or newer, and its version, as in ``3.11``.

    An interpreter of a venv stands for the one that the venv was made from. Python's venv module is installed if it is
    missing, and if allowed.
    """
    for name in names:
        path = shutil.which(name)
        if not path:
            continue
        said = subprocess.run([path, "-c", _ABOUT], capture_output=True, text=True, check=False).stdout.split("\n")
        if len(said) >= 3 and int(said[1]) >= 11:
            if said[2] != "True":
                _install("Python's venv module", ["python3-venv"])
            return said[0], f"3.{said[1]}"
    raise Missing("Python 3.11 or newer is needed: put one on PATH as python3")


def _install(what: str, packages: list[str]) -> None:
    names = " ".join(packages)
    if not shutil.which("apt-get"):
        raise Missing(f"missing: {what}; install {names} with this system's package manager")
    ask = f"missing: {what}; as root, run: apt-get install {names}"
    become_root: list[str] = []
    if os.geteuid() != 0:
        become_root = ["sudo", "-n"]
        if not shutil.which("sudo") or not _succeeds([*become_root, "true"]):
            raise Missing(ask)
    apt_get = [*become_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    install = [*apt_get, "-y", "--no-install-recommends", "install", *packages]
    say(f"installing {names}: usually 5 to 30 seconds, once on this machine")
    # Without package lists, or with old ones, apt-get finds nothing.
    if not _succeeds(install):
        run([*apt_get, "update"], "apt-get update", f"{ask}, once Debian's mirror answers")
        run(install, f"installing {names}", ask)


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def run(command: list[str], what: str, advice: str = "") -> None:
    """Run a builder. Its output is shown if SANDBOX_VERBOSE or CI is set; otherwise a failure leaves it in a file."""
    if os.environ.get("SANDBOX_VERBOSE") or os.environ.get("CI"):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
        said = "see the lines above"
    else:
        pipe = subprocess.PIPE
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=subprocess.STDOUT, check=False)
        log = cache() / "failed.log"
        said = f"what it said is in {log}"
        if done.returncode != 0:
            log.write_bytes(done.stdout)
    if done.returncode != 0:
        raise Missing(f"{what} failed ({said})" + (f": {advice}" if advice else ""))
