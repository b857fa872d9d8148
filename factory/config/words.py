"""What pydantic finds wrong, in words: what is there, and what would be right."""

from __future__ import annotations

from typing import Any

from pydantic_core import ErrorDetails

MAX_SHOWN = 60

_KINDS = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a whole number of reasonable size",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "decimal_parsing": "a number",
    "bool_parsing": "True or False",
    "bool_type": "True or False",
}

_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}


def shown(value: Any) -> str:
    """A value as a message shows it: quoted, on one line, and not endless."""
    text = " ".join(str(value).split())
    return repr(text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "...")


def wrong(error: ErrorDetails, secret: bool = False) -> str:
    """One of pydantic's errors, as a sentence about the value in the file."""
    kind, value = error["type"], error["input"]
    context = error.get("ctx", {})
    there = "the value" if secret else shown(value)
    if kind == "missing":
        return "is missing"
    if kind in _KINDS:
        return f"{there} is not {_KINDS[kind]}{_hint(value)}"
    if kind in _BOUNDS:
        words, name = _BOUNDS[kind]
        return f"{there} is out of range; it must be {words} {context[name]}"
    if kind in ("literal_error", "enum"):
        return f"{there} is none of {context['expected']}{_hint(value)}"
    if kind == "value_error":
        return str(context["error"]) + _hint(value)
    if kind == "string_pattern_mismatch":
        return f"{there} has characters that can't stand here; it must match {context['pattern']}"
    return f"{there}: {error['msg'][:1].lower()}{error['msg'][1:]}"


def _hint(value: Any) -> str:
    """Two ways to get a value that one did not mean."""
    if isinstance(value, str) and "\n" in value:
        return "; an indented line goes on with the value above it"
    if isinstance(value, str) and " #" in value:
        return "; a comment after a value starts with ' ;'"
    if value == "":
        return "; write None, or leave the key out, for no value"
    return ""
