"""Where a schedd or a collector is, and the handle to it. Handles are made in worker processes only."""

from __future__ import annotations


def quote(text: str) -> str:
    """A ClassAd string literal."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def same_text(attribute: str, text: str) -> str:
    """A ClassAd expression: the attribute is there and is this text, letter for letter.

    ``==`` takes ``apf`` for ``APF``, and so what is one factory's, or one queue's, for another's (rule 10).
    """
    return f"{attribute} =?= {quote(text)}"
