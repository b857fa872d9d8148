"""The parts of setup.cfg and constraints.txt that decide the content of a venv."""

from __future__ import annotations

import hashlib
from configparser import ConfigParser

from .places import CHECKOUT, Missing

SETUP = CHECKOUT / "setup.cfg"
CONSTRAINTS = CHECKOUT / "constraints.txt"
RUN_EXTRAS = ("localcloud", "demo", "test")
"""Extras needed beside HTCondor."""
HOST_EXTRAS = (*RUN_EXTRAS, "lint")
BUILD_REQUIREMENTS = ("setuptools>=68",)
"""As in pyproject.toml; `make package` builds without a build environment, and so without network."""


def requirements(extras: tuple[str, ...]) -> list[str]:
    """Return the requirement lines of setup.cfg: the project's own and those of ``extras``."""
    setup = _setup()
    try:
        texts = [setup["options"]["install_requires"], *(setup["options.extras_require"][name] for name in extras)]
    except KeyError as key:
        raise Missing(f"setup.cfg has no {key}, which the sandbox needs") from None
    return [line for text in texts for line in _lines(text)]


def name_and_version() -> tuple[str, str]:
    """Return name and version of the distribution."""
    setup = _setup()
    try:
        return setup["metadata"]["name"], setup["metadata"]["version"]
    except KeyError as key:
        raise Missing(f"setup.cfg has no {key}, which the sandbox needs") from None


def entry_points() -> dict[str, dict[str, str]]:
    """Return the entry points, per group: name → ``module:attribute``."""
    setup = _setup()
    if not setup.has_section("options.entry_points"):
        return {}
    groups = {}
    for group, text in setup["options.entry_points"].items():
        pairs = (line.partition("=") for line in _lines(text))
        groups[group] = {name.strip(): target.strip() for name, _, target in pairs}
    return groups


def pins() -> str:
    """Return the text of constraints.txt; empty without one."""
    return CONSTRAINTS.read_text() if CONSTRAINTS.is_file() else ""


def digest(*texts: str) -> str:
    """Return a short name for the content of ``texts``."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:8]


def _setup() -> ConfigParser:
    setup = ConfigParser(interpolation=None)
    setup.optionxform = str  # type: ignore[assignment, method-assign]
    setup.read(SETUP)
    return setup


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
