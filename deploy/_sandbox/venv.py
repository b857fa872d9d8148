"""The venv of a checkout: the shared packages, plus the code, scripts and entry points of this checkout."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import setup_cfg
from .packages import NAMED_BY, Packages
from .places import CHECKOUT, replace

LOCK_FILE = "checkout.stamp"
"""Names the checkout; locked by those who run in a cached venv."""
REGISTERED = "setup.stamp"
"""Says for which setup.cfg the checkout is registered."""
SCRIPTS = "scripts.stamp"
"""Lists the scripts of the checkout."""
SCRIPT = """\
import sys

from {module} import {function}

if __name__ == "__main__":
    sys.exit({function}())
"""
LONGEST_SHEBANG = 127
"""As in pip: some kernels cut the line there."""


@dataclass(frozen=True)
class Venv:
    """A venv without packages of its own: a path file leads to the shared ones and to the checkout.

    The checkout is registered without pip, in milliseconds: a change of entry points needs no network and affects no
    other checkout.
    """

    directory: Path
    """The path on this host."""
    inside: str
    """The path for its users."""
    packages: Packages

    def refreshed(self) -> Venv:
        """Bring this venv up to date with setup.cfg and constraints.txt, and return it."""
        if not self._fresh():
            with self.packages.for_user(self.directory):
                if not self._layered():
                    self._layer()
                self._register()
        return self

    def _fresh(self) -> bool:
        return self.packages.complete() and self._layered() and self._read(REGISTERED) == self._setup()

    def _layered(self) -> bool:
        """True if this venv uses the wanted packages, and was made for this checkout (it may be a copy)."""
        return self._read(NAMED_BY) == self.packages.directory.name and self._read(LOCK_FILE) == str(CHECKOUT)

    def _setup(self) -> str:
        return setup_cfg.digest(setup_cfg.SETUP.read_text())

    def _read(self, stamp: str) -> str:
        path = self.directory / stamp
        return path.read_text() if path.is_file() else ""

    def _layer(self) -> None:
        """Make the venv, and make modules and scripts of the shared packages available in it."""
        self.directory.mkdir(parents=True, exist_ok=True)
        flags = ["--clear", "--without-pip", *(["--system-site-packages"] if self.packages.system_packages else [])]
        command = [self.packages.python, "-m", "venv", *flags, self.inside]
        self.packages.shell(self.directory, self.inside, command, "making a venv", "")
        # site reads path files in the shared directory as well, as those of matplotlib and setuptools.
        lines = f"import site; site.addsitedir({self.packages.site!r})\n{CHECKOUT}\n"
        replace(self._site() / "apf.pth", lines)
        for script in (self.packages.directory / "bin").iterdir():
            if not (self._bin() / script.name).exists() and script.is_file():
                self._adopt(script)
        replace(self.directory / LOCK_FILE, str(CHECKOUT))
        replace(self.directory / NAMED_BY, self.packages.directory.name)

    def _register(self) -> None:
        """Make the entry points and scripts of the checkout known."""
        name, version = setup_cfg.name_and_version()
        groups = setup_cfg.entry_points()
        for left in self._stale(f"{name}-{version}.dist-info"):
            shutil.rmtree(left, ignore_errors=True)
        info = self._site() / f"{name}-{version}.dist-info"
        scripts = groups.get("console_scripts", {})
        for script in set(self._read(SCRIPTS).split()) - scripts.keys():
            (self._bin() / script).unlink(missing_ok=True)
        info.mkdir(exist_ok=True)
        replace(info / "METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        replace(info / "entry_points.txt", _entry_points_text(groups))
        for script, target in scripts.items():
            module, _, function = target.partition(":")
            replace(self._bin() / script, self._shebang() + SCRIPT.format(module=module, function=function), 0o755)
        replace(self.directory / SCRIPTS, "\n".join(scripts))
        replace(self.directory / REGISTERED, self._setup())

    def _stale(self, current: str) -> Iterator[Path]:
        """Find metadata of the checkout that would be found beside or before ``current``."""
        name, _ = setup_cfg.name_and_version()
        yield from (path for path in self._site().glob(f"{name}-*.dist-info") if path.name != current)
        # setuptools leaves a copy in the checkout when it builds a package.
        yield from CHECKOUT.glob("*.egg-info")

    def _adopt(self, script: Path) -> None:
        """Make a script of the shared packages start this venv's interpreter, which knows the checkout."""
        target = self._bin() / script.name
        lines = script.read_bytes().split(b"\n")
        if lines[0].startswith(b"#!") and b"python" in lines[0]:
            code = lines[1:]
        elif lines[0] == b"#!/bin/sh" and lines[1].startswith(b"'''exec'"):
            code = lines[3:]
        else:
            target.symlink_to(f"{self.packages.inside}/bin/{script.name}")
            return
        replace(target, self._shebang() + b"\n".join(code).decode(), 0o755)

    def _shebang(self) -> str:
        """Return the first lines of a Python script; pip writes the same."""
        python = f"{self.inside}/bin/python"
        if len(python) < LONGEST_SHEBANG and " " not in python:
            return f"#!{python}\n"
        return f"#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''\n"

    def _site(self) -> Path:
        return next((self.directory / "lib").glob("python3*/site-packages"))

    def _bin(self) -> Path:
        return self.directory / "bin"


def checkout_id() -> str:
    """Return a short name for this checkout."""
    return setup_cfg.digest(str(CHECKOUT))


def _entry_points_text(groups: dict[str, dict[str, str]]) -> str:
    """Return the content of entry_points.txt (packaging.python.org, Entry points specification)."""
    sections = (
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in points.items())
        for group, points in groups.items()
    )
    return "\n".join(sections)
