"""A venv with the Python packages that setup.cfg names and the checkout installed editable."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path

from .places import CHECKOUT, Missing, locked, say

SETUP = CHECKOUT / "setup.cfg"
CONSTRAINTS = CHECKOUT / "constraints.txt"
RUN_EXTRAS = ("localcloud", "demo", "test")
"""What is needed where HTCondor is."""
HOST_EXTRAS = (*RUN_EXTRAS, "lint")
BUILD_REQUIREMENTS = ("setuptools>=68",)
"""As in pyproject.toml; the checkout is installed without a build environment, so without network."""
LOCK_FILE = "checkout.stamp"
"""Locked by those who run in a cached venv."""


Shell = Callable[[Path, list[str], str, str], None]
"""``shell(directory, command, what, advice)`` runs one command where the venv of ``directory`` lives.

There the directory is writable and the package index in reach. ``what`` and ``advice`` are for errors.
"""


@dataclass(frozen=True)
class Venv:
    """Two stamps: what pip was asked for, and the rest of setup.cfg.

    When only the rest has changed (an entry point, say), the checkout is registered anew, without network.
    """

    directory: Path
    """As the host sees it."""
    inside: str
    """Its path for those who use it."""
    python: str
    """The interpreter that it is made from."""
    extras: tuple[str, ...]
    system_packages: bool
    shell: Shell

    def refreshed(self) -> Venv:
        """This venv, brought up to date with setup.cfg and constraints.txt."""
        if self._fresh():
            return self
        with locked(f"venv-{checkout_id()}"):
            if self._read("dependencies") != dependencies_id(self.extras):
                self._install()
                self._write("checkout", str(CHECKOUT))
                self._write("dependencies", dependencies_id(self.extras))
            if not self._fresh():
                self._register()
                self._write("setup", _digest(SETUP.read_text()))
        return self

    def _fresh(self) -> bool:
        setup = _digest(SETUP.read_text())
        return self._read("setup") == setup and self._read("dependencies") == dependencies_id(self.extras)

    def _read(self, stamp: str) -> str:
        path = self.directory / f"{stamp}.stamp"
        return path.read_text() if path.is_file() else ""

    def _write(self, stamp: str, text: str) -> None:
        (self.directory / f"{stamp}.stamp").write_text(text)

    def _install(self) -> None:
        say(f"installing the Python packages of setup.cfg ({self.directory.name}); this happens once")
        self.directory.mkdir(parents=True, exist_ok=True)
        flags = ["--system-site-packages"] if self.system_packages else []
        if self._read("dependencies") == "":
            flags.append("--clear")
        pins = ["-c", str(CONSTRAINTS)] if CONSTRAINTS.is_file() else []
        advice = "it needs a Python package index that answers; pip.conf, PIP_INDEX_URL and proxies are honoured"
        self.shell(self.directory, [self.python, "-m", "venv", *flags, self.inside], "making a venv", "")
        self._pip([*pins, *BUILD_REQUIREMENTS, *requirements(self.extras)], "pip install", advice)

    def _register(self) -> None:
        """Install the checkout editable, so that its entry points and scripts are found."""
        advice = "setup.cfg is probably at fault"
        editable = ["--no-deps", "--no-build-isolation", "-e", str(CHECKOUT)]
        self._pip(editable, "installing the checkout", advice)
        # A copy of the metadata that setuptools leaves in the checkout would be found first, and go stale.
        for left in CHECKOUT.glob("*.egg-info"):
            shutil.rmtree(left, ignore_errors=True)

    def _pip(self, arguments: list[str], what: str, advice: str) -> None:
        pip = [f"{self.inside}/bin/python", "-m", "pip", "-q", "install"]
        self.shell(self.directory, [*pip, *arguments], what, advice)


def checkout_id() -> str:
    """Tells this checkout from others."""
    return _digest(str(CHECKOUT))


def dependencies_id(extras: tuple[str, ...]) -> str:
    """Identifies what pip is asked for: requirements and pins."""
    pins = CONSTRAINTS.read_text() if CONSTRAINTS.is_file() else ""
    return _digest("\n".join([*requirements(extras), pins]))


def requirements(extras: tuple[str, ...]) -> list[str]:
    """Requirement lines of setup.cfg: the project's own and those of ``extras``."""
    setup = ConfigParser(interpolation=None)
    setup.read(SETUP)
    try:
        texts = [
            setup["options"]["install_requires"],
            *(setup["options.extras_require"][name] for name in extras),
        ]
    except KeyError as key:
        raise Missing(f"setup.cfg has no {key}, which the sandbox needs") from None
    return [line.strip() for text in texts for line in text.splitlines() if line.strip() and line.strip()[0] != "#"]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
