"""Syntax checks of ClassAd expressions that people write."""

from __future__ import annotations

import re

ATTRIBUTE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""A valid attribute name."""


def checked_expression(expression: str) -> str:
    """Return the expression if it can be parsed; unchecked on a host without the bindings.

    Raises:
        ValueError: it can't be parsed.
    """
    try:
        import classad2
    except ImportError:
        return expression
    try:
        classad2.ExprTree(expression)
    except Exception as error:  # noqa: BLE001  SyntaxError in 23.9, another exception in 25
        raise ValueError(f"{expression!r} is not a ClassAd expression: {error}") from None
    return expression
