"""ClassAd literals and comparisons for the constraints that we send."""

from __future__ import annotations


def quote(text: str) -> str:
    """Return the text as a ClassAd string literal."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def same_text(attribute: str, text: str) -> str:
    """Return an expression that is true if the attribute is exactly this string, including case.

    ``==`` ignores case, and would take ``apf`` for ``APF``: one factory's jobs for another's (rule 10).
    """
    return f"{attribute} =?= {quote(text)}"
