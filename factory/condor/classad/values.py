"""What an attribute is worth, whatever bytes somebody has put into it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def value(ad: Mapping[str, Any], name: str, default: object = None) -> Any:
    """As ``ad.get``; a text that is not UTF-8 as a ClassAd shows it, with its bytes as octal numbers.

    HTCondor takes any bytes, and the bindings fail to make a text of them: a submit file in Latin-1 of one user must
    not end the poll of all.
    """
    try:
        return ad.get(name, default)
    except UnicodeDecodeError:
        return str(ad.lookup(name)).strip('"')  # type: ignore[attr-defined]


def evaluated(ad: Any, name: str, default: object = None) -> Any:
    """What an expression is worth; the default if there is none."""
    try:
        return ad.eval(name) if name in ad else default
    except UnicodeDecodeError:
        return str(ad.lookup(name)).strip('"')


def has(ad: Mapping[str, Any], name: str) -> bool:
    """As ``name in ad``, which the bindings answer by evaluating it."""
    try:
        return name in ad
    except UnicodeDecodeError:
        return True
