"""Field types for settings: durations, lists, switches, and keys that end in a name the user chooses."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_LONGEST_S = 100 * 365 * 86400
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw]?)")


def parse_duration(value: Any) -> Any:
    """Return the seconds in ``90``, ``90s``, ``15m``, ``12h``, ``2d`` or ``1w``.

    Raises:
        ValueError: the text is not a duration, or is longer than 100 years.
    """
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value.strip().lower())
    if match is None:
        raise ValueError(f"{value!r} is not a duration; write seconds (90), or a number with s, m, h, d or w (15m)")
    seconds = float(match[1]) * _UNITS_S[match[2]]
    if seconds > _LONGEST_S:
        raise ValueError(f"{value[:20]!r} is longer than 100 years; write a shorter duration")
    return round(seconds)


def split_list(value: Any) -> Any:
    """Return the trimmed items of a comma list without empty ones."""
    if isinstance(value, str):
        return tuple(item for item in (part.strip() for part in value.split(",")) if item)
    return value


def split_address(text: str) -> tuple[str, int]:
    """Return the host and port of ``HOST:PORT``; the host of a bare ``PORT`` is 127.0.0.1.

    Raises:
        ValueError: the text is neither, or the port is out of range.
    """
    host, _, port = text.strip().rpartition(":")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is not an address; write HOST:PORT or PORT, with a port from 1 to 65535")
    return host.strip("[]") or "127.0.0.1", int(port)


def parse_switch(value: Any) -> Any:
    """Return the boolean for a spelling that configparser accepts.

    Raises:
        ValueError: the text is not a boolean.
    """
    if not isinstance(value, str):
        return value
    text = value.strip().lower()
    if text in {"true", "yes", "on", "1"}:
        return True
    if text in {"false", "no", "off", "0"}:
        return False
    raise ValueError(f"{value!r} is not a boolean; write True or False")


Duration = Annotated[int, BeforeValidator(parse_duration)]
"""Seconds."""

CommaList = Annotated[tuple[str, ...], BeforeValidator(split_list)]

Switch = Annotated[bool, BeforeValidator(parse_switch)]


class Named:
    """Mark a ``dict[str, str]`` field whose keys end in a name the user chooses: ``<prefix><NAME> = value``.

    ``Annotated[dict[str, str], Named("tag_")]`` of plugin ``condorec2`` collects
    ``batchsubmit.condorec2.tag_<NAME>``. NAME keeps its upper and lower case.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix


class KeepLines:
    """Mark a text field that keeps its line breaks; in other values they become spaces."""


class Settings(BaseModel):
    """Base of every settings model: frozen, without extra keys, each field described by its docstring.

    A field's ``alias`` is its key in the file where that is no Python name (``apfqueue.sleep``).
    ``json_schema_extra`` may contain:

    * ``"old": ("older_name", ...)``: older spellings that are still read;
    * ``"unit": "MiB"``: the unit, for the documentation;
    * ``"default": "..."``: the default in words;
    * ``"right": "..."``: the values that the field's pattern accepts, in words, for error messages;
    * ``"secret": True``: no message shows the value.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, populate_by_name=True, allow_inf_nan=False
    )


def format_duration(seconds: int) -> str:
    """Return a duration in its largest whole unit: ``90m`` for 5400."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s" if seconds else "0"
