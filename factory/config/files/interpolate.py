"""``%(key)s`` in values: replaced by the value of that key in the same section."""

from __future__ import annotations

import re
from collections.abc import Mapping

from factory.config.files.scan import Entry

MAX_DEPTH = 10
"""Keys that a reference may lead through, as in configparser."""
MAX_LENGTH = 1024 * 1024
"""Characters that the values of one section may have together, once their references are replaced."""

_PIECE = re.compile(r"%(?:(?P<percent>%)|\((?P<key>[^)]+)\)s)?")


class Unresolvable(Exception):
    """A reference that leads nowhere; the text says which."""


def referenced_keys(value: str) -> set[str]:
    """Keys that a value refers to."""
    return {found["key"] for found in _PIECE.finditer(value) if found["key"]} if "%" in value else set()


class Resolver:
    """Values of one section with their references replaced."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.entries = entries
        self.known: dict[str, str] = {}
        self.length = 0

    def value(self, key: str) -> str:
        """The value of a key that is there.

        Raises:
            Unresolvable: it refers to a key that is not there or to itself, or has a single ``%``.
        """
        return self._value(key, ())

    def _value(self, key: str, chain: tuple[str, ...]) -> str:
        if key in self.known:
            return self.known[key]
        if key in chain:
            circle = " -> ".join((*chain[chain.index(key) :], key))
            raise Unresolvable(f"refers to itself: {circle}")
        if len(chain) > MAX_DEPTH:
            raise Unresolvable(f"refers through more than {MAX_DEPTH} keys: {' -> '.join(chain)}")
        written = self.entries[key].value
        chain = (*chain, key)
        parts: list[str] = []
        end = 0
        for found in _PIECE.finditer(written) if "%" in written else ():
            parts += written[end : found.start()], self._piece(found, chain)
            self._count(len(parts[-1]) + len(parts[-2]))
            end = found.end()
        parts.append(written[end:])
        self._count(len(parts[-1]))
        self.known[key] = "".join(parts)
        return self.known[key]

    def _count(self, more: int) -> None:
        self.length += more
        if self.length > MAX_LENGTH:
            raise Unresolvable(f"makes the section longer than {MAX_LENGTH} characters by its references")

    def _piece(self, found: re.Match[str], chain: tuple[str, ...]) -> str:
        if found["percent"]:
            return "%"
        key = found["key"]
        through = f" (in {chain[-1]}, to which it refers)" if len(chain) > 1 else ""
        if key is None:
            text = found.string[found.start() :][:20]
            raise Unresolvable(f"has a single % at {text!r}{through}: write %%, or %(key)s")
        if key not in self.entries:
            raise Unresolvable(f"refers to %({key})s{through}, and there is no key {key!r} in the section")
        return self._value(key, chain)
