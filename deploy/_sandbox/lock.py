"""Pins for constraints.txt."""

from __future__ import annotations

import json
import re

from .venv import BUILD_REQUIREMENTS, Venv, requirements

HEADER = "# Made by `make lock`; pip is held to it wherever the project sets up a venv.\n"


def resolve(venv: Venv) -> dict[str, str]:
    """Name → newest version of all that the venv needs, whatever is pinned or installed now."""
    report = "report.json"
    command = [f"{venv.inside}/bin/python", "-m", "pip", "-q", "install", "--dry-run", "--ignore-installed"]
    command += ["--report", f"{venv.inside}/{report}", *BUILD_REQUIREMENTS, *requirements(venv.extras)]
    venv.shell(venv.directory, command, "resolving dependencies", "it needs a Python package index that answers")
    path = venv.directory / report
    installs = json.loads(path.read_text())["install"]
    path.unlink()
    return {_normal(one["metadata"]["name"]): one["metadata"]["version"] for one in installs}


def python_version(venv: Venv) -> str:
    """As in ``3.13``."""
    text = (venv.directory / "pyvenv.cfg").read_text()
    found = re.search(r"^version\w* = (\d+\.\d+)", text, re.MULTILINE)
    return found[1] if found else ""


def constraints(older: dict[str, str], newer: dict[str, str], newer_python: str) -> str:
    """Text of constraints.txt from the pins for two Pythons; one that both share needs no marker."""
    lines = []
    for name in sorted(older | newer):
        old, new = older.get(name), newer.get(name)
        if old and new and old != new:
            lines.append(f'{name}=={old} ; python_version < "{newer_python}"')
            lines.append(f'{name}=={new} ; python_version >= "{newer_python}"')
        else:
            lines.append(f"{name}=={old or new}")
    return HEADER + "\n".join(lines) + "\n"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
