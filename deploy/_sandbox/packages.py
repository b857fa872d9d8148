"""The shared packages: one venv per content of setup.cfg and constraints.txt, for all checkouts of a user."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import setup_cfg
from .places import cache, locked, prune, say, try_locked

LOCK_FILE = "complete.stamp"
"""Written when the installation is complete; locked by those who run with these packages."""
USERS = "users"
"""Directory of records: one file per venv that uses these packages, with its path."""
NAMED_BY = "packages.stamp"
"""File in a venv that names the packages it uses."""
SPARED_S = 24 * 3600
"""Packages are kept for so long after the last venv left them: an unregistered copy of it may still be in use."""
USUAL = "usually 1 to 3 minutes"

Shell = Callable[[Path, str, list[str], str, str], None]
"""``shell(directory, inside, command, what, advice)`` runs one command that may write to ``directory``.

The command sees the directory at the path ``inside``, and reaches the package index. ``what`` and ``advice`` are for
errors.
"""


@dataclass(frozen=True)
class Packages:
    """The third-party packages for one interpreter and one set of extras."""

    place: str
    """Place where they are used, as in ``trixie``; part of the name."""
    interpreter: str
    """Identifies the interpreter that they are for."""
    python: str
    """Command that starts the interpreter."""
    extras: tuple[str, ...]
    system_packages: bool
    """True if the packages of the system (the HTCondor bindings) are seen as well."""
    shell: Shell
    mounted: str = ""
    """The path at which the users of these packages see them; empty: the path on this host."""

    @property
    def digest(self) -> str:
        """Identifies the content: requirements, pins, interpreter."""
        wanted = [*setup_cfg.BUILD_REQUIREMENTS, *setup_cfg.requirements(self.extras)]
        return setup_cfg.digest(self.interpreter, str(self.system_packages), *wanted, setup_cfg.pins())

    @property
    def directory(self) -> Path:
        """Directory on this host, present or not."""
        return cache() / f"packages-{self.place}-{self.digest}"

    @property
    def inside(self) -> str:
        """The path for their users."""
        return self.mounted or str(self.directory)

    @property
    def site(self) -> str:
        """Directory of the modules, as their users see it."""
        found = next((self.directory / "lib").glob("python3*/site-packages"))
        return f"{self.inside}/{found.relative_to(self.directory)}"

    def complete(self) -> bool:
        """True if the installation has ended well."""
        return (self.directory / LOCK_FILE).is_file()

    @contextmanager
    def for_user(self, venv: Path) -> Iterator[None]:
        """Install the packages unless they are there, then keep them while ``venv`` is set up for them.

        Checkouts that need the same packages at once wait here for the first.
        """
        with locked(self.directory.name, USUAL):
            if not self.complete():
                self._install()
            yield
            _leave(venv, self.directory)
            users = self.directory / USERS
            users.mkdir(exist_ok=True)
            (users / setup_cfg.digest(str(venv))).write_text(str(venv))
        prune_packages()

    def pip(self, arguments: list[str], what: str, advice: str) -> None:
        """Run ``pip install`` with ``arguments``."""
        pip = [f"{self.inside}/bin/python", "-m", "pip", "-q", "install"]
        self.shell(self.directory, self.inside, [*pip, *arguments], what, advice)

    def _install(self) -> None:
        say(f"installing the Python packages of setup.cfg for all checkouts ({self.place}): {USUAL}")
        began = time.monotonic()
        self.directory.mkdir(parents=True, exist_ok=True)
        flags = ["--clear", *(["--system-site-packages"] if self.system_packages else [])]
        command = [self.python, "-m", "venv", *flags, self.inside]
        self.shell(self.directory, self.inside, command, "making a venv", "")
        pins = ["-c", str(setup_cfg.CONSTRAINTS)] if setup_cfg.CONSTRAINTS.is_file() else []
        wanted = [*setup_cfg.BUILD_REQUIREMENTS, *setup_cfg.requirements(self.extras)]
        advice = "it needs a Python package index that answers; pip.conf, PIP_INDEX_URL and proxies are honoured"
        self.pip([*pins, *wanted], "pip install", advice)
        (self.directory / LOCK_FILE).write_text(setup_cfg.digest(*wanted))
        say(f"the Python packages are installed ({time.monotonic() - began:.0f} s)")


def prune_packages() -> None:
    """Remove packages that no venv uses."""
    for directory in cache().glob("packages-*-*"):
        if directory.is_dir() and not _used(directory):
            # Whoever holds the build lock is about to use them.
            with try_locked(directory.name) as free:
                if free and not _used(directory):
                    prune([directory], LOCK_FILE)


def _used(directory: Path) -> bool:
    """True if a venv uses these packages, or may still use them."""
    users = directory / USERS
    if not users.is_dir():
        return False
    if any(_named_by(Path(record.read_text())) == directory.name for record in users.iterdir()):
        return True
    return time.time() - users.stat().st_mtime < SPARED_S


def _named_by(venv: Path) -> str:
    stamp = venv / NAMED_BY
    return stamp.read_text() if stamp.is_file() else ""


def _leave(venv: Path, new: Path) -> None:
    """Remove the records of ``venv`` at packages other than ``new``."""
    for record in cache().glob(f"packages-*-*/{USERS}/{setup_cfg.digest(str(venv))}"):
        if record.parents[1] != new:
            record.unlink(missing_ok=True)
