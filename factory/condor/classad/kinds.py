"""Kinds of ClassAd values, and the operators over kinds: all that can come out of operands that are not known.

The tables are filled in by classad2 itself, from one value of each kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cache
from itertools import product


class Kind(Enum):
    """Kinds of values that an expression can have; ``value`` is an expression of that kind."""

    TRUE = "true"
    FALSE = "false"
    UNDEFINED = "undefined"
    ERROR = "error"
    NUMBER = "7"
    ZERO = "0"
    TEXT = '"text"'
    OTHER = "{1}"
    """A list, a record, a time."""

    __hash__ = object.__hash__


Kinds = frozenset[Kind]

ANY: Kinds = frozenset(Kind)
BOOLEAN: Kinds = frozenset({Kind.TRUE, Kind.FALSE})
EXACT: Kinds = BOOLEAN | {Kind.UNDEFINED, Kind.ERROR}
"""Kinds with one value each."""
AMOUNTS: Kinds = BOOLEAN | {Kind.NUMBER, Kind.ZERO}
"""Kinds that compare as numbers."""
COMPARISONS = {"==", "!=", "<", "<=", ">", ">="}


@dataclass(frozen=True, slots=True)
class PossibleValues:
    """The values that a part of an expression can have."""

    kinds: Kinds
    known: bool = False
    """classad2 has evaluated it: ``kinds`` has the kind of its value."""
    new: bool = False
    """The name of a machine that does not exist yet: no text that anybody knows is equal to it."""


def kind_of(value: object) -> Kind:
    """Return the kind of a value that the bindings return."""
    import classad2

    if value is True or value is False:
        return Kind.TRUE if value else Kind.FALSE
    if value == classad2.Value.Undefined and isinstance(value, classad2.Value):
        return Kind.UNDEFINED
    if isinstance(value, classad2.Value):
        return Kind.ERROR
    if isinstance(value, int | float):
        return Kind.NUMBER if value else Kind.ZERO
    return Kind.TEXT if isinstance(value, str) else Kind.OTHER


def identity(operator: str, left: PossibleValues, right: PossibleValues) -> Kinds:
    """``=?=`` and ``=!=``: the same kind and value, or not; never undefined, and an error only between lists."""
    same = left.kinds & right.kinds
    if (left.new and right.known) or (right.new and left.known):
        same = frozenset()
    equal = {Kind.TRUE} if same else set()
    certain = len(left.kinds) == len(right.kinds) == 1 and same <= EXACT and bool(same)
    differ = set() if certain else {Kind.FALSE}
    found = frozenset(equal | differ | ({Kind.ERROR} if Kind.OTHER in same else set()))
    return found if operator == "=?=" else frozenset(table("!", (kind,)) for kind in found)


def comparison(operator: str, left: PossibleValues, right: PossibleValues) -> Kinds:
    """``==``, ``<`` and the like. A name that is new equals no text that is known."""
    named = operator in ("==", "!=") and ((left.new and right.known) or (right.new and left.known))
    found: set[Kind] = set()
    for one, two in product(left.kinds, right.kinds):
        if one is two is Kind.TEXT and named:
            found.add(Kind.FALSE if operator == "==" else Kind.TRUE)
        elif {one, two} <= {Kind.TEXT} or (one in AMOUNTS and two in AMOUNTS):
            found |= BOOLEAN
        else:
            found.add(table(operator, (one, two)))
    return frozenset(found)


@cache
def table(operator: str, kinds: tuple[Kind, ...]) -> Kind:
    """Return the kind of an operation on values of these kinds, by classad2."""
    import classad2

    parts = [f"({kind.value})" for kind in kinds]
    if operator.endswith("("):
        text = f"{operator}{', '.join(parts)})"
    else:
        text = f"{operator} {parts[0]}" if len(parts) == 1 else f" {operator} ".join(parts)
    return kind_of(classad2.ExprTree(text).eval())


@cache
def branch(operator: str, kind: Kind) -> int | Kind:
    """Return the branch (1 or 2) that a condition of this kind takes, or the kind of the result if it takes none."""
    import classad2

    text = f'({kind.value}) ? "1" : "2"' if operator == "if" else f'ifThenElse({kind.value}, "1", "2")'
    value = classad2.ExprTree(text).eval()
    return int(value) if isinstance(value, str) else kind_of(value)
