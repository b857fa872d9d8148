"""What pydantic finds wrong, in words: what is there, and what would be right."""

from __future__ import annotations

from typing import Any

from pydantic_core import ErrorDetails

from factory.config.fill.schema import Key

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


def wrong(error: ErrorDetails, key: Key | None, written: str) -> str:
    """One of pydantic's errors, as a sentence about what is written in the file."""
    text = _wrong(error, key)
    return text + _hint(written) if error["type"] in {*_KINDS, "literal_error", "value_error"} else text


def _wrong(error: ErrorDetails, key: Key | None) -> str:
    kind, value = error["type"], error["input"]
    context = error.get("ctx", {})
    there = "the value" if key and key.secret else shown(value)
    if kind == "missing":
        return f"is missing: {key.meaning}" if key and key.meaning else "is missing"
    if kind in _KINDS:
        return f"{there} is not {_KINDS[kind]}"
    if kind in _BOUNDS:
        words, name = _BOUNDS[kind]
        return f"{there} is out of range; it must be {words} {context[name]}"
    if kind in ("literal_error", "enum"):
        return f"{there} is none of {context['expected']}"
    if kind == "value_error" and key and key.secret:
        return "the value is not a valid one"
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_pattern_mismatch":
        right = (key and key.right) or f"as the pattern {context['pattern']}"
        return f"{there} can't stand here; it must be {right}"
    return f"{there}: {error['msg'][:1].lower()}{error['msg'][1:]}"


def _hint(written: str) -> str:
    """How one gets a value that one did not mean."""
    if "\n" in written:
        return "; an indented line goes on with the value above it"
    if " #" in written:
        return "; a comment after a value starts with ' ;'"
    if written == "":
        return "; write None, or leave the key out, for no value"
    return ""
