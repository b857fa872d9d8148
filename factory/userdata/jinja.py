"""Jinja in user-data, as cloud-init renders it. Pure.

The library is imported for the first text that needs it, because most factories have no such layers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

_PLAIN = re.compile(r"\{\{[\w .|]*\}\}")
"""An expression that means the same inside YAML's quotes."""
_OPENS = re.compile(r"\{[{%#]")
_TEXT = re.compile(r"apf_text_((?:[0-9a-f]{2})+)")


class TemplateError(ValueError):
    """A syntax error that cloud-init's Jinja finds in a text."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line
        self.why = why


def _environment() -> Environment:
    """Return an environment with the settings of cloud-init (cloudinit/templater.py)."""
    from jinja2 import Environment

    return Environment(trim_blocks=True, keep_trailing_newline=True, extensions=["jinja2.ext.do"])  # noqa: S701


def check_template(template: str) -> None:
    """Compile a template to check its syntax.

    Raises:
        TemplateError: it has an error; with line and cause.
    """
    from jinja2 import TemplateSyntaxError

    try:
        _environment().compile(template, raw=True)
    except TemplateSyntaxError as error:
        raise TemplateError(error.lineno, error.message or type(error).__name__) from None


class Quoted(str):
    """A template that keeps its meaning inside YAML's double quotes, and only there."""

    __slots__ = ()


def quote_jinja(text: str) -> str:
    """Return the template in a form that keeps its meaning inside YAML's quotes, which Jinja does not know.

    YAML escapes quotes and line breaks, and Jinja would read the escapes. String literals therefore become variables
    (see :func:`literals`), and line breaks that Jinja drops after a statement are removed.

    Raises:
        TemplateError: the text has a syntax error.
    """
    if not _OPENS.search(_PLAIN.sub("", text)):
        return text
    from jinja2 import TemplateSyntaxError

    try:
        return Quoted("".join(_token(kind, value) for _, kind, value in _environment().lex(text)))
    except TemplateSyntaxError as error:
        raise TemplateError(error.lineno, error.message or type(error).__name__) from None


def _token(kind: str, value: str) -> str:
    if kind == "string":
        return f"apf_text_{value.encode().hex()}"
    if kind in {"whitespace", "comment"}:
        return " "
    return value.rstrip() if kind.endswith("_end") else value


def literals(template: str) -> dict[str, str]:
    """Return the variables that :func:`quote_jinja` put into a template, with the literal of each."""
    texts = {match[0]: bytes.fromhex(match[1]).decode() for match in _TEXT.finditer(template)}
    return {name: text.replace("\n", "\\n") for name, text in texts.items()}
