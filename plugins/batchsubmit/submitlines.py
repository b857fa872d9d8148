"""The key ``condor_attributes``: further lines of a submit description, for every submit plugin."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field, field_validator

from factory.plugin import Named, PluginSettings

_NAME = re.compile(r"\+?[A-Za-z_][A-Za-z0-9_.]*")
_ENDS = re.compile(r"queue\b", re.IGNORECASE)
_OURS = re.compile(r"(\+|my\.)(apf\w*|match_apf_queue)", re.IGNORECASE)
"""Attributes by which the factory finds its jobs."""


def split_attributes(text: str) -> list[str]:
    r"""Return the items of a comma list of submit lines; ``\,`` is a comma, ``\\`` a backslash, as in AutoPyFactory."""
    items = [""]
    escaped = False
    for character in text:
        if escaped:
            items[-1] += character if character in ",\\" else "\\" + character
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == ",":
            items.append("")
        else:
            items[-1] += character
    if escaped:
        items[-1] += "\\"
    return items


class SubmitLines(PluginSettings):
    """Keys of every submit plugin for submit commands that have no key of their own."""

    condor_attributes: str | None = None
    """Comma list of further submit lines ``name = value``; ``\\,`` is a comma."""
    condor_attribute: Annotated[dict[str, str], Named("condor_attributes.")] = Field(default_factory=dict)
    """``condor_attributes.<NAME> = value``: one submit line each."""

    @field_validator("condor_attributes")
    @classmethod
    def _listed(cls, value: str | None) -> str | None:
        for item in split_attributes(value or ""):
            name, equals, line = item.partition("=")
            if item.strip() and not equals:
                raise ValueError(rf"{item.strip()!r} is not 'name = value'; a comma within a value is written \,")
            if item.strip():
                _check(name.strip(), line.strip())
        return value

    @field_validator("condor_attribute")
    @classmethod
    def _named(cls, value: dict[str, str]) -> dict[str, str]:
        for name, line in value.items():
            _check(name, line)
        return value

    def lines(self) -> list[str]:
        """Return the submit lines, those of the list first."""
        listed = (item.partition("=") for item in split_attributes(self.condor_attributes or "") if item.strip())
        return [f"{name.strip()} = {value.strip()}" for name, _, value in listed] + [
            f"{name} = {value}" for name, value in self.condor_attribute.items()
        ]


def names(value: str | Mapping[str, str] | None) -> Iterator[str]:
    """Yield the submit commands that a value of one of the keys sets; attributes without their ``+`` or ``MY.``."""
    listed = split_attributes(value or "") if isinstance(value, str | None) else list(value)
    for item in listed:
        if name := item.partition("=")[0].strip():
            yield re.sub(r"^(\+|my\.)", "", name, flags=re.IGNORECASE)


def _check(name: str, value: str) -> None:
    if not _NAME.fullmatch(name) or _ENDS.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a submit command; write name, +Name or MY.Name")
    if _OURS.fullmatch(name):
        raise ValueError(f"the factory sets {name} to find its jobs by it; remove it here")
    if value.endswith("\\"):
        raise ValueError(f"the value of {name} ends in a backslash, which joins it with the next line; remove it")
