"""The venv: the Python packages that setup.cfg names, beside the distribution's own htcondor2."""

from __future__ import annotations

import hashlib
import os
import shutil
from configparser import ConfigParser
from pathlib import Path
from typing import Protocol

from .places import CHECKOUT, Missing, building, cache, locked, say

EXTRAS = ("localcloud", "demo", "test")


class Shell(Protocol):
    """Runs one command where the venv is to live, with the venv writable and the registry in reach."""

    def __call__(self, venv: Path, command: list[str], what: str, advice: str) -> None: ...


def venv(place: str, inside: str, shell: Shell) -> Path:
    """Directory of the venv for ``place``, as the host sees it; ``inside`` is its path for those who use it.

    Two stamps: other dependencies mean another venv, so that those who run in the old one are left alone; any other
    change to setup.cfg (an entry point, say) only registers the checkout anew, which takes no network.
    """
    checkout = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:8]
    target = cache() / f"venv-{place}-{checkout}-{_dependencies()}"
    stamp = target / "setup.cfg.sha256"
    wanted = hashlib.sha256((CHECKOUT / "setup.cfg").read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != wanted:
        with locked(f"venv-{place}-{checkout}"):
            if not target.is_dir():
                _install(target, inside, shell)
            if not stamp.is_file() or stamp.read_text() != wanted:
                _register(target, inside, shell)
                stamp.write_text(wanted)
    return target


def _dependencies() -> str:
    """Identifies what pip is asked for: dependencies, extras and pins."""
    constraints = CHECKOUT / "constraints.txt"
    asked = [*_requirements(), constraints.read_text() if constraints.is_file() else ""]
    return hashlib.sha256("\n".join(asked).encode()).hexdigest()[:8]


def _requirements() -> list[str]:
    """Requirement lines of setup.cfg: the project's own and those of EXTRAS."""
    setup = ConfigParser(interpolation=None)
    setup.read(CHECKOUT / "setup.cfg")
    texts = [setup["options"]["install_requires"]]
    extras = setup["options.extras_require"]
    texts += [extras[name] for name in EXTRAS if name in extras]
    return [line.strip() for text in texts for line in text.splitlines() if line.strip() and line.strip()[0] != "#"]


def _install(target: Path, inside: str, shell: Shell) -> None:
    say("installing the Python packages of setup.cfg; this happens once")
    constraints = CHECKOUT / "constraints.txt"
    pins = ["-c", str(constraints)] if constraints.is_file() else []
    advice = "see the lines above; it needs a Python package index that answers (pip.conf, PIP_INDEX_URL, proxies)"
    with building(target) as scratch:
        shell(scratch, ["python3", "-m", "venv", "--system-site-packages", inside], "making a venv", "")
        pip = [f"{inside}/bin/python", "-m", "pip", "-q", "install", *pins]
        shell(scratch, [*pip, "setuptools>=68", *_requirements()], "pip install", advice)


def _register(target: Path, inside: str, shell: Shell) -> None:
    """Install the checkout editable, so that its entry points and scripts are found."""
    pip = [f"{inside}/bin/python", "-m", "pip", "-q", "install", "--no-deps", "--no-build-isolation", "-e", str(CHECKOUT)]
    shell(target, pip, "installing the checkout", "see the lines above: setup.cfg is probably at fault")
    # A copy of the metadata that setuptools leaves in the checkout would be found first, and go stale.
    for left in CHECKOUT.glob("*.egg-info"):
        shutil.rmtree(left, ignore_errors=True)
