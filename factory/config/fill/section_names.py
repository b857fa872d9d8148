"""What a section may be called."""

from __future__ import annotations

import re

from factory.config.files.scan import DEFAULT, FACTORY
from factory.config.files.sections import Section
from factory.config.fill.section import Problems
from factory.config.problems import Problem

QUEUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@+=-]{0,99}")
"""A queue's name goes into ClassAd strings, tags of instances and names of directories."""

RULE = (
    "a queue's name goes into ClassAds, tags and directories: it starts with a letter or digit, "
    "and has at most 100 of the letters of ASCII, digits and _ . : / @ + = -"
)


_SPECIAL = {name.lower(): name for name in (DEFAULT, FACTORY)}


def is_misspelt(section: str) -> bool:
    """Whether it is no queue, but a special section in another spelling."""
    return section.lower() in _SPECIAL


def check_section_name(sections: dict[str, Section], problems: Problems) -> None:
    """Say which names are meant to be special, or mean the same directory of logs as another."""
    directories: dict[str, str] = {}
    for name, section in sections.items():
        if is_misspelt(name):
            text = f"write [{_SPECIAL[name.lower()]}]; the spelling matters"
            problems.add(Problem(section.file, section.line, name, None, text))
        other = directories.setdefault(name.replace("/", "_").replace(":", "_"), name)
        if other != name:
            text = f"shares the directory of its logs with [{other}], as / and : become _ there"
            problems.add(Problem(section.file, section.line, name, None, text, "warning"))
