"""Turn pydantic's validation errors into messages: the value that is written, and a valid one."""

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


def quoted(value: Any) -> str:
    """Return a value for a message: quoted, on one line, at most ``MAX_SHOWN`` characters."""
    text = " ".join(str(value).split())
    return repr(text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "...")


def describe_error(error: ErrorDetails, key: Key | None, written: str) -> str:
    """Return the message for one of pydantic's errors; ``written`` is the value as it stands in the file."""
    text = _describe(error, key)
    return text + _hint(written) if error["type"] in {*_KINDS, "literal_error", "value_error"} else text


def _describe(error: ErrorDetails, key: Key | None) -> str:
    kind, value = error["type"], error["input"]
    context = error.get("ctx", {})
    shown = "the value" if key and key.secret else quoted(value)
    if kind == "missing":
        return f"is missing: {key.meaning}" if key and key.meaning else "is missing"
    if kind in _KINDS:
        return f"{shown} is not {_KINDS[kind]}"
    if kind in _BOUNDS:
        words, name = _BOUNDS[kind]
        return f"{shown} is out of range; write a number that is {words} {context[name]}"
    if kind in ("literal_error", "enum"):
        return f"{shown} is not a valid choice; write {context['expected']}"
    if kind == "value_error" and key and key.secret:
        return "the value is not valid"
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_pattern_mismatch":
        right = (key and key.right) or f"a value that matches {context['pattern']}"
        return f"{shown} is not valid; write {right}"
    return f"{shown}: {error['msg'][:1].lower()}{error['msg'][1:]}"


def _hint(written: str) -> str:
    """Return a hint on a likely cause of an unintended value."""
    if "\n" in written:
        return "; an indented line continues the value above it"
    if " #" in written:
        return "; a comment after a value starts with ' ;'"
    if written == "":
        return "; for no value write None or remove the key"
    return ""
