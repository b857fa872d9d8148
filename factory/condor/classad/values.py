"""Read attribute values of ads, whatever bytes and types they hold."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any


def value(ad: Mapping[str, Any], name: str, default: object = None) -> Any:
    """Return ``ad.get(name, default)``; a string that is not UTF-8 comes back with its bytes in octal.

    HTCondor accepts any bytes, and the bindings raise when they decode them. A submit file in Latin-1 of one user
    must not end the poll of all.
    """
    try:
        return ad.get(name, default)
    except UnicodeDecodeError:
        return str(ad.lookup(name)).strip('"')  # type: ignore[attr-defined]


def evaluated(ad: Any, name: str, default: object = None) -> Any:
    """Return the value of the expression of an attribute; the default if the ad has no such attribute."""
    try:
        return ad.eval(name) if name in ad else default
    except UnicodeDecodeError:
        return str(ad.lookup(name)).strip('"')


def has(ad: Mapping[str, Any], name: str) -> bool:
    """True if the ad has the attribute. The bindings evaluate it for ``name in ad``, which can raise."""
    try:
        return name in ad
    except UnicodeDecodeError:
        return True


def number(result: object) -> float | None:
    """Return a value of an ad as a number; None if it is anything else: undefined, an error, a boolean, a string.

    The bindings return undefined and error as members of an IntEnum, which would pass for numbers.
    """
    if isinstance(result, bool | Enum):
        return None
    return float(result) if isinstance(result, int | float) else None


def needed_number(ad: Mapping[str, Any], name: str, default: float = 0) -> float:
    """Return the number that an attribute holds; the default if the ad does not have it.

    Raises:
        ValueError: the attribute holds something else.
    """
    found = value(ad, name, default)
    result = number(found)
    if result is None:
        raise ValueError(f"{name} = {found!r} is no number")
    return result


def parse_number(printed: str | None) -> float | None:
    """Return the number that an ad or a tool prints; None if there is no text or it is no number."""
    try:
        return None if printed is None else float(printed)
    except ValueError:
        return None


def text(result: object) -> str | None:
    """Return a string value of an ad without surrounding blanks; None if it is empty or no string."""
    return (result.strip() or None) if isinstance(result, str) else None


def copy_ad(ad: Any) -> Any:
    """Return a new ``classad2.ClassAd`` with the same expressions."""
    import classad2

    copy = classad2.ClassAd()
    for name in ad:
        copy[name] = ad.lookup(name)
    return copy
