"""Check the names of sections."""

from __future__ import annotations

import re

from factory.config.files.scan import DEFAULT, FACTORY
from factory.config.files.sections import Section
from factory.config.fill.section import Problems
from factory.config.problems import Problem

QUEUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@+=-]{0,99}")
"""Pattern of queue names. They are used in ClassAd strings, instance tags and directory names."""

RULE = (
    "is not a valid queue name; write at most 100 ASCII letters, digits and _ . : / @ + = - "
    "and begin with a letter or digit"
)

_SPECIAL = {name.lower(): name for name in (DEFAULT, FACTORY)}


def is_misspelt(section: str) -> bool:
    """True if this is ``DEFAULT`` or ``Factory`` in another case."""
    return section.lower() in _SPECIAL


def check_section_names(sections: dict[str, Section], problems: Problems) -> None:
    """Report misspelt special sections, and queues that would share a log directory."""
    directories: dict[str, str] = {}
    for name, section in sections.items():
        if is_misspelt(name):
            text = f"is not a queue; write [{_SPECIAL[name.lower()]}] (upper and lower case matter)"
            problems.add(Problem(section.file, section.line, name, None, text))
        other = directories.setdefault(name.replace("/", "_").replace(":", "_"), name)
        if other != name:
            text = f"has the same log directory as [{other}], because / and : become _ there; rename one of the two"
            problems.add(Problem(section.file, section.line, name, None, text, "warning"))
