"""Checkouts and shells for tests of deploy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from _sandbox import setup_cfg, venv
from _sandbox.packages import Packages
from _sandbox.venv import Venv

SETUP = """
[metadata]
name = sample
version = 1.0
[options]
install_requires =
    # why
    click >=8
[options.extras_require]
test =
    pytest
[options.entry_points]
console_scripts =
    sample = product:main
apf.sched =
    Ready = plugins.sched.ready:Ready
"""


class Shell:
    """A shell that makes real venvs, records all commands, and has a package ready in place of an index."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []

    def __call__(self, directory: Path, inside: str, command: list[str], what: str, advice: str) -> None:
        self.commands.append(command)
        if "venv" in command:
            without_pip = command if "--without-pip" in command else [*command[:-1], "--without-pip", inside]
            subprocess.run(without_pip, check=True)
        else:
            site = next(directory.glob("lib/python3*/site-packages"))
            (site / "third_party.py").write_text("ANSWER = 42\n")
            script = "import sys, third_party\nprint(sys.prefix, third_party.ANSWER)\n"
            (directory / "bin" / "tool").write_text(f"#!{inside}/bin/python\n{script}")
            (directory / "bin" / "far").write_text(f"#!/bin/sh\n'''exec' \"{inside}\" \"$0\" \"$@\"\n' '''\n{script}")
            (directory / "bin" / "binary").write_bytes(b"\x7fELF python")
            for name in ("tool", "far", "binary"):
                (directory / "bin" / name).chmod(0o755)

    def take(self) -> str:
        """Return the commands since the last call, one a line."""
        taken, self.commands = self.commands, []
        return "\n".join(" ".join(command) for command in taken)


class Checkout:
    """A checkout with a setup.cfg of its own; ``venv`` acts for it."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch, shell: Shell) -> None:
        self.directory = directory
        directory.mkdir()
        self.setup = directory / "setup.cfg"
        self.setup.write_text(SETUP)
        self.pins = directory / "constraints.txt"
        (directory / "product.py").write_text(f"def main():\n    print({directory.name!r})\n")
        self._patch = monkeypatch
        self._shell = shell

    def venv(self, shell: Shell | None = None) -> Venv:
        """Return the venv of this checkout, present or not."""
        self._patch.setattr(venv, "CHECKOUT", self.directory)
        self._patch.setattr(setup_cfg, "SETUP", self.setup)
        self._patch.setattr(setup_cfg, "CONSTRAINTS", self.pins)
        directory = self.directory / ".venv"
        packages = Packages("host", "python", sys.executable, ("test",), False, shell or self._shell)
        return Venv(directory, str(directory), packages)
