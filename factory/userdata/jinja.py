"""Jinja in user-data, as cloud-init reads it. Pure.

The library comes in with the first text that needs it: a factory without such layers has no use for it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

_PLAIN = re.compile(r"\{\{[\w .|]*\}\}")
"""Nothing in it is another thing when YAML has put it between quotes."""
_OPENS = re.compile(r"\{[{%#]")
_TEXT = re.compile(r"apf_text_((?:[0-9a-f]{2})+)")


class TemplateError(ValueError):
    """A text that cloud-init's Jinja refuses."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line
        self.why = why


def _environment() -> Environment:
    """With the settings of cloud-init (cloudinit/templater.py)."""
    from jinja2 import Environment

    return Environment(trim_blocks=True, keep_trailing_newline=True, extensions=["jinja2.ext.do"])  # noqa: S701


def check_template(template: str) -> None:
    """Nothing, if it can be compiled.

    Raises:
        TemplateError: it can't; in which line, and why.
    """
    from jinja2 import TemplateSyntaxError

    try:
        _environment().compile(template, raw=True)
    except TemplateSyntaxError as error:
        raise TemplateError(error.lineno, error.message or type(error).__name__) from None


class Quoted(str):
    """A template that means the same between the double quotes of YAML, and only there."""

    __slots__ = ()


def quote_jinja(text: str) -> str:
    """The template in a form that can stand between quotes of YAML, which Jinja does not know.

    What is quoted or broken into lines there looks different to Jinja than to YAML: so literals become variables, of
    which `literals` tells, and line breaks that a statement swallows are left out.

    Raises:
        TemplateError: it is no template.
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
    """The variables that `quoted` has put into it, and the literal that each stands for."""
    texts = {match[0]: bytes.fromhex(match[1]).decode() for match in _TEXT.finditer(template)}
    return {name: text.replace("\n", "\\n") for name, text in texts.items()}
