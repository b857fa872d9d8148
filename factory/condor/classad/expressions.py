"""ClassAd expressions that people write: parsed before they are sent, where the bindings are there to do it."""

from __future__ import annotations

import re

ATTRIBUTE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""What an attribute may be called."""


def checked_expression(expression: str) -> str:
    """The expression, if it is one; without the bindings on this host it is taken as it is.

    Raises:
        ValueError: it can't be parsed.
    """
    try:
        import classad2
    except ImportError:
        return expression
    try:
        classad2.ExprTree(expression)
    except Exception as error:  # noqa: BLE001  SyntaxError in 23.9, something else in 25
        raise ValueError(f"{expression!r} is no ClassAd expression: {error}") from None
    return expression
