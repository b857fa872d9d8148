"""Replace ``%(key)s`` in values by the value of that key in the same section."""

from __future__ import annotations

import re
from collections.abc import Mapping

from factory.config.files.scan import Entry

MAX_DEPTH = 10
"""Longest chain of references, as in configparser."""
MAX_LENGTH = 1024 * 1024
"""Characters that the values of one section may have in total after references are replaced."""

_PIECE = re.compile(r"%(?:(?P<percent>%)|\((?P<key>[^)]+)\)s)?")


class UnresolvedReference(Exception):
    """A reference that can't be replaced; the text names it and says why."""


def referenced_keys(value: str) -> set[str]:
    """Return the keys that a value refers to."""
    return {match["key"] for match in _PIECE.finditer(value) if match["key"]} if "%" in value else set()


class Resolver:
    """Values of one section, with references replaced."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries = entries
        self._resolved: dict[str, str] = {}
        self._length = 0

    def value(self, key: str) -> str:
        """Return the value of a key that the section has.

        Raises:
            UnresolvedReference: the value refers to a missing key or to itself, or has a single ``%``.
        """
        return self._value(key, ())

    def _value(self, key: str, chain: tuple[str, ...]) -> str:
        if key in self._resolved:
            return self._resolved[key]
        if key in chain:
            circle = " -> ".join((*chain[chain.index(key) :], key))
            raise UnresolvedReference(f"refers to itself: {circle}; remove one of these references")
        if len(chain) > MAX_DEPTH:
            text = f"refers through more than {MAX_DEPTH} keys; shorten {' -> '.join(chain)}"
            raise UnresolvedReference(text)
        written = self._entries[key].value
        chain = (*chain, key)
        parts: list[str] = []
        end = 0
        for match in _PIECE.finditer(written) if "%" in written else ():
            parts += written[end : match.start()], self._piece(match, chain)
            self._add_length(len(parts[-1]) + len(parts[-2]))
            end = match.end()
        parts.append(written[end:])
        self._add_length(len(parts[-1]))
        self._resolved[key] = "".join(parts)
        return self._resolved[key]

    def _add_length(self, characters: int) -> None:
        self._length += characters
        if self._length > MAX_LENGTH:
            text = f"makes the section longer than {MAX_LENGTH} characters; use fewer references"
            raise UnresolvedReference(text)

    def _piece(self, match: re.Match[str], chain: tuple[str, ...]) -> str:
        if match["percent"]:
            return "%"
        key = match["key"]
        through = f" (in {chain[-1]}, to which it refers)" if len(chain) > 1 else ""
        if key is None:
            text = match.string[match.start() :][:20]
            raise UnresolvedReference(f"has a single % at {text!r}{through}; write %% for a percent sign, or %(key)s")
        if key not in self._entries:
            raise UnresolvedReference(
                f"refers to %({key})s{through}, but the section has no key {key!r}; add it or remove the reference"
            )
        return self._value(key, chain)
