"""Pins for constraints.txt."""

from __future__ import annotations

import json
import re

from .packages import Packages
from .places import say
from .setup_cfg import BUILD_REQUIREMENTS, requirements

HEADER = "# Made by `make lock`; pip is held to it wherever the project sets up a venv.\n"


def resolve(packages: Packages) -> dict[str, str]:
    """Return name → newest version of all needed packages, whatever is pinned or installed now."""
    say(f"resolving dependencies for Python {python_version(packages)}: usually 10 to 60 seconds")
    report = "report.json"
    arguments = ["--dry-run", "--ignore-installed", "--report", f"{packages.inside}/{report}"]
    arguments += [*BUILD_REQUIREMENTS, *requirements(packages.extras)]
    packages.pip(arguments, "resolving dependencies", "it needs a Python package index that answers")
    path = packages.directory / report
    installs = json.loads(path.read_text())["install"]
    path.unlink()
    return {_normal(one["metadata"]["name"]): one["metadata"]["version"] for one in installs}


def python_version(packages: Packages) -> str:
    """Return the version of their Python, as in ``3.13``."""
    text = (packages.directory / "pyvenv.cfg").read_text()
    found = re.search(r"^version\w* = (\d+\.\d+)", text, re.MULTILINE)
    return found[1] if found else ""


def constraints(older: dict[str, str], newer: dict[str, str], newer_python: str) -> str:
    """Return the text of constraints.txt from the pins for two Pythons; a pin that both share needs no marker."""
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
