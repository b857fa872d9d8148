"""Refuse ads whose evaluation could fail or take long, before they are evaluated: one ad must never stop the others.

An expression is bounded by its length and nesting, and by the number of references and characters that it has once all
references to its own ad are followed. Both are counted with multiplicity, so that thirty attributes that each name the
one before twice count as a thousand million.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, TypeVar

from factory.condor.classad.digest import digest_of
from factory.condor.classad.syntax import Reference, TooLarge, Unreadable, nodes, parse_expression
from factory.process.work_mark import work_mark

T = TypeVar("T")

MOST_REFERENCES = 100_000
MOST_CHARACTERS = 10_000_000
MOST_PROBLEMS = 50
"""Ads of one poll that are named."""
_MOST_LEVELS = 200
_PLAIN = re.compile(r'[-+\w.]{1,40}|"[^"\\]{0,60}"')
"""Numbers, keywords and short strings, which are not looked at; a name that they look like is a reference."""
_NUMBER = re.compile(r"[-+]?[\d.][-+\w.]*|true|false|undefined|error", re.IGNORECASE)
_KEEP = 50_000
_known: dict[bytes, str | None] = {}
"""Earlier results by the digest of the ad; kept in the worker."""


class Refused(ValueError):
    """An ad that is not evaluated; the message says why."""


class _Sizes:
    """References and characters of the expressions of one ad, with all that they refer to."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = texts
        self._known: dict[str, tuple[int, int]] = {}
        self._on_the_way: set[str] = set()

    def of(self, name: str) -> tuple[int, int]:
        """Return the number of references and characters.

        Raises:
            Refused: the attribute refers to itself, or exceeds a bound.
        """
        found = self._known.get(name)
        if found is not None:
            return found
        if name in self._on_the_way:
            raise Refused(f"{name} refers to itself")
        if len(self._on_the_way) > _MOST_LEVELS:
            raise Refused(f"{name} is reached through more than {_MOST_LEVELS} attributes")
        self._on_the_way.add(name)
        text = self._texts[name]
        count, characters = 0, len(text)
        for reference in _own_references(text):
            if reference in self._texts:
                more, longer = self.of(reference)
                count, characters = count + 1 + more, characters + longer
        self._on_the_way.discard(name)
        if count > MOST_REFERENCES or characters > MOST_CHARACTERS:
            raise Refused(f"{name} refers to {count:,} attributes with {characters:,} characters, all levels together")
        self._known[name] = count, characters
        return count, characters


def why_refused(ad: Any) -> str | None:
    """Return why an ad (``classad2.ClassAd``) must not be evaluated; None if it may."""
    return sign_and_refusal(ad)[1]


def sign_and_refusal(ad: Any) -> tuple[bytes, str | None]:
    """Return the sign of an ad for ``WorkMark``, and why the ad must not be evaluated; None if it may.

    An expression may be too long, nested too deep, refer to too much, or refer to itself. Results are kept. An ad whose
    evaluation took too long is refused for an hour.
    """
    digest = digest_of(str(ad))
    until = work_mark().alone_until(digest)
    if until is not None:
        again = time.strftime("%H:%M UTC", time.gmtime(until))
        return digest, f"its evaluation took too long; it is tried again after {again}"
    if digest not in _known:
        if len(_known) > _KEEP:
            _known.clear()
        try:
            _check(ad)
        except Refused as error:
            _known[digest] = str(error)
        else:
            _known[digest] = None
    return digest, _known[digest]


def busy_with(ad: Any) -> contextlib.AbstractContextManager[None]:
    """Mark an ad while it is evaluated, so that an evaluation which takes too long is known by it."""
    return work_mark().busy_with(digest_of(str(ad)))


def _check(ad: Any) -> None:
    texts = {}
    for name in ad:
        text = str(ad.lookup(name))
        if not _is_value(text):
            texts[name.lower()] = text
    sizes = _Sizes(texts)
    for name in texts:
        sizes.of(name)


def is_readable(text: str) -> bool:
    """Return True if an expression is short and flat enough to be parsed."""
    try:
        parse_expression(text)
    except Unreadable as error:
        return not isinstance(error, TooLarge)
    return True


def _is_value(text: str) -> bool:
    return _PLAIN.fullmatch(text) is not None and (text[0] == '"' or _NUMBER.fullmatch(text) is not None)


@lru_cache(20_000)
def _own_references(text: str) -> tuple[str, ...]:
    """Return the names in an expression that can stand for attributes of the same ad, each as often as it occurs."""
    try:
        tree = parse_expression(text)
    except TooLarge as error:
        raise Refused(str(error)) from None
    except Unreadable:
        return ()  # of an odd form, but short; classad2 has read it
    return tuple(node.name for node in nodes(tree) if isinstance(node, Reference) and node.scope != "target")


def fold_each(
    ads: Iterable[Any], fold: Callable[[Any], T], name: Callable[[Any], str], problems: list[str]
) -> Iterator[T]:
    """Yield what ``fold`` makes of each ad. One that can't be read adds a line with its name to ``problems``."""
    for ad in ads:
        try:
            result = fold(ad)
        except Exception as error:  # noqa: BLE001 - the bindings raise many kinds, and one ad must not stop the others
            if len(problems) < MOST_PROBLEMS:
                problems.append(f"{_named(ad, name)} can't be read and is left out: {_why(error)}")
        else:
            yield result


def _named(ad: Any, name: Callable[[Any], str]) -> str:
    try:
        return name(ad)
    except Exception:  # noqa: BLE001 - even the name can be odd
        return "an ad without a readable name"


def _why(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "a text in it is not UTF-8"
    return " ".join(str(error).split())[:200] or type(error).__name__
