"""Parse ClassAd expressions into trees: the bindings show an expression's text and value, and not its parts.

The grammar is that of the new ClassAd language, as ``str(ExprTree)`` prints it. Reading is linear in the length of the
text, and refuses what is too long or nested too deep.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

MAX_LENGTH = 16_384
"""Characters of an expression that is read."""
MAX_DEPTH = 100
"""Levels of nesting that are read."""

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<quoted>'(?:[^'\\]|\\.)*')
    | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
    | (?P<word>[A-Za-z_]\w*)
    | (?P<mark>=\?=|=!=|>>>|\?:|&&|\|\||==|!=|<=|>=|<<|>>|[-+*/%<>!~&|^?:.,;=(){}\[\]])
    )""",
    re.VERBOSE | re.DOTALL,
)
_LEVELS: tuple[frozenset[str], ...] = (
    frozenset({"||"}),
    frozenset({"&&"}),
    frozenset({"|"}),
    frozenset({"^"}),
    frozenset({"&"}),
    frozenset({"==", "!=", "=?=", "=!=", "is", "isnt"}),
    frozenset({"<", "<=", ">", ">="}),
    frozenset({"<<", ">>", ">>>"}),
    frozenset({"+", "-"}),
    frozenset({"*", "/", "%"}),
)
"""Binary operators from the loosest to the tightest; all group from the left."""
_LOOSEST = {operator: level for level, operators in enumerate(_LEVELS) for operator in operators}
_SAME = {"is": "=?=", "isnt": "=!="}
_LITERALS = {"true", "false", "undefined", "error"}
_SCOPES = {"my", "target", "self"}


class Unreadable(ValueError):
    """The text is no expression that this parser reads; the message says why."""


class TooLarge(Unreadable):
    """The expression is too long, or nested too deep."""


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """A number, string or keyword, as written."""

    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """An attribute: ``MY.X`` (scope ``my``), ``TARGET.X`` (``target``), or ``X`` (none). Both in lower case."""

    text: str
    scope: str
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """An operator (``&&``, ``?:``, ``if`` for ``a ? b : c``), a function (its name and ``(``), or any other compound.

    ``operator`` is in lower case; ``is`` and ``isnt`` are written ``=?=`` and ``=!=``.
    """

    text: str
    operator: str
    parts: tuple[Node, ...]


Node = Literal | Reference | Operation


def nodes(tree: Node) -> Iterator[Node]:
    """Yield a tree and all its parts, in no particular order."""
    left = [tree]
    while left:
        part = left.pop()
        yield part
        if isinstance(part, Operation):
            left += part.parts


@lru_cache(500)
def parse_expression(text: str) -> Node:
    """Return the tree of an expression.

    Raises:
        Unreadable: it is too long, nested too deep, or no ClassAd expression.
    """
    if len(text) > MAX_LENGTH:
        raise TooLarge(f"an expression of {len(text):,} characters; at most {MAX_LENGTH:,} are read")
    reader = _Reader(text)
    tree = reader.expression()
    if reader.kind != "end":
        raise Unreadable(f"{reader.token!r} is out of place in {text[:80]!r}")
    return tree


def _tokens(text: str) -> Iterator[tuple[str, str, int, int]]:
    place, end = 0, len(text.rstrip())
    while place < end:
        found = _TOKEN.match(text, place)
        if found is None:
            raise Unreadable(f"can't read {text[place : place + 40]!r}")
        kind = found.lastgroup or ""
        yield kind, found[kind], found.start(kind), found.end()
        place = found.end()
    yield "end", "", end, end


class _Reader:
    """Recursive descent by precedence, over one token at a time."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._depth = 0
        self._last_end = 0
        self._advance()

    def _advance(self) -> str:
        taken = getattr(self, "token", "")
        self._last_end = getattr(self, "_end", 0)
        self.kind, self.token, self._start, self._end = next(self._tokens)
        return taken

    def _take(self, token: str) -> None:
        if self.token != token or self.kind in ("string", "quoted"):
            raise Unreadable(f"{token!r} is missing before {self.token or 'the end'!r}")
        self._advance()

    def _is(self, *tokens: str) -> bool:
        return self.kind in ("mark", "word") and self.token.lower() in tokens

    def _from(self, start: int) -> str:
        return self._text[start : self._last_end]

    def expression(self) -> Node:
        """A conditional, or what stands in its place."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise TooLarge(f"nested deeper than {MAX_DEPTH} levels")
        start = self._start
        tree = self._binary(0)
        if self._is("?:"):
            self._advance()
            tree = Operation("", "?:", (tree, self.expression()))
        elif self._is("?"):
            self._advance()
            if self._is(":"):  # "? :" is "?:" with a blank
                self._advance()
                tree = Operation("", "?:", (tree, self.expression()))
            else:
                yes = self.expression()
                self._take(":")
                tree = Operation("", "if", (tree, yes, self.expression()))
        self._depth -= 1
        if isinstance(tree, Operation) and not tree.text:
            return Operation(self._from(start), tree.operator, tree.parts)
        return tree

    def _binary(self, level: int) -> Node:
        start = self._start
        tree = self._unary()
        return self._climb(tree, start, level)

    def _climb(self, left: Node, start: int, level: int) -> Node:
        """Read operators of this level and tighter ones."""
        while True:
            operator = self.token.lower()
            of = _LOOSEST.get(operator, -1) if self.kind in ("mark", "word") else -1
            if of < level:
                return left
            self._advance()
            right_start = self._start
            right = self._climb(self._unary(), right_start, of + 1)
            left = Operation(self._from(start), _SAME.get(operator, operator), (left, right))

    def _unary(self) -> Node:
        start, marks = self._start, []
        while self._is("-", "+", "!", "~"):
            marks.append((self._start, self._advance()))
            if len(marks) > MAX_DEPTH:
                raise TooLarge(f"nested deeper than {MAX_DEPTH} levels")
        tree = self._suffixed(start if not marks else self._start)
        for place, mark in reversed(marks):
            tree = Operation(self._from(place), mark, (tree,))
        return tree

    def _suffixed(self, start: int) -> Node:
        tree = self._primary()
        while self._is(".", "["):
            if self._advance() == ".":
                name = self._name()
                scope = tree.name if isinstance(tree, Reference) and tree.scope == "" else None
                if scope in _SCOPES:
                    tree = Reference(self._from(start), "my" if scope == "self" else scope, name)
                else:
                    tree = Operation(self._from(start), ".", (tree,))
            else:
                index = self.expression()
                self._take("]")
                tree = Operation(self._from(start), "[]", (tree, index))
        return tree

    def _name(self) -> str:
        if self.kind == "quoted":
            return self._advance()[1:-1].lower()
        if self.kind != "word":
            raise Unreadable(f"a name is missing before {self.token or 'the end'!r}")
        return self._advance().lower()

    def _primary(self) -> Node:
        start, kind = self._start, self.kind
        if kind in ("string", "number"):
            return Literal(self._advance())
        if self._is("("):
            self._advance()
            inner = self.expression()
            self._take(")")
            return inner
        if self._is("{", "["):
            return self._collection(start)
        if self._is("."):
            self._advance()
            return Operation(self._from(start), ".", (Reference(self.token, "", self._name()),))
        if kind == "word" and self.token.lower() in _LITERALS:
            return Literal(self._advance().lower())
        name = self._name()
        if kind == "word" and self._is("("):
            return self._call(start, name)
        return Reference(self._from(start), "", name)

    def _call(self, start: int, name: str) -> Node:
        self._take("(")
        parts: list[Node] = []
        while not self._is(")"):
            parts.append(self.expression())
            if not self._is(","):
                break
            self._advance()
        self._take(")")
        return Operation(self._from(start), f"{name}(", tuple(parts))

    def _collection(self, start: int) -> Node:
        """A list or a record; of a record, whose names hide those outside, no part is looked into."""
        opening = self._advance()
        parts: list[Node] = []
        closing, between = ("}", ",") if opening == "{" else ("]", ";")
        while not self._is(closing):
            if opening == "[":
                self._name()
                self._take("=")
            parts.append(self.expression())
            if not self._is(between):
                break
            self._advance()
        self._take(closing)
        return Operation(self._from(start), opening, tuple(parts))
