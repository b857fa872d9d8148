"""Types of settings: durations, lists, switches and keys with a name of the user's own."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_LONGEST_S = 100 * 365 * 86400
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw]?)")


def parse_duration(value: Any) -> Any:
    """Seconds from ``90``, ``90s``, ``15m``, ``12h``, ``2d`` or ``1w``.

    Raises:
        ValueError: the text is none of these.
    """
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value.strip().lower())
    if match is None:
        raise ValueError(f"{value!r} is not a duration; write seconds, or a number with s, m, h, d or w, as 15m")
    seconds = float(match[1]) * _UNITS_S[match[2]]
    if seconds > _LONGEST_S:
        raise ValueError(f"{value[:20]!r} is longer than a hundred years")
    return round(seconds)


def split_list(value: Any) -> Any:
    """Trimmed items of a comma list; empty items are dropped."""
    if isinstance(value, str):
        return tuple(item for item in (part.strip() for part in value.split(",")) if item)
    return value


def split_address(text: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT`` or ``PORT``, which is one of this host alone.

    Raises:
        ValueError: it is neither.
    """
    host, _, port = text.strip().rpartition(":")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is no HOST:PORT, with a port from 1 to 65535")
    return host.strip("[]") or "127.0.0.1", int(port)


def parse_switch(value: Any) -> Any:
    """True or False from the spellings that configparser takes.

    Raises:
        ValueError: the text is none of these.
    """
    if not isinstance(value, str):
        return value
    text = value.strip().lower()
    if text in {"true", "yes", "on", "1"}:
        return True
    if text in {"false", "no", "off", "0"}:
        return False
    raise ValueError(f"{value!r} is neither True nor False")


Duration = Annotated[int, BeforeValidator(parse_duration)]
"""Seconds."""

CommaList = Annotated[tuple[str, ...], BeforeValidator(split_list)]

Switch = Annotated[bool, BeforeValidator(parse_switch)]


class Named:
    """Marks a ``dict[str, str]`` field whose keys carry a name of the user's own: ``<prefix><NAME> = value``.

    ``Annotated[dict[str, str], Named("tag_")]`` of plugin ``condorec2`` collects
    ``batchsubmit.condorec2.tag_<NAME>``. The spelling of NAME is kept.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix


class KeepLines:
    """Marks a text whose lines stay lines; elsewhere the lines of a value are joined by blanks."""


class Settings(BaseModel):
    """Base of every settings model: frozen, closed, and its fields carry their docstring.

    A field's ``alias`` is its key where that is not a Python name (``apfqueue.sleep``). In
    ``json_schema_extra`` may stand: ``"old": ("older_name", ...)``, spellings that are still read;
    ``"unit": "MiB"``; ``"default": "..."``, the default in words; ``"right": "..."``, what fits the field's
    pattern, in words; ``"secret": True``, for a value that no message may show.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, populate_by_name=True, allow_inf_nan=False
    )


def duration(seconds: int) -> str:
    """A duration as a person writes it: 5400 is ``90m``."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s" if seconds else "0"
