"""Evaluate an expression about a machine that no one has seen yet: unknown is not false.

A clause about a new machine is certain only if it comes out the same *whatever its unknown attributes turn out to be*.
Every part without an unknown is evaluated by classad2. An unknown can have any value. From the values that the parts of
``&&``, ``||``, ``!``, ``?:`` and ``ifThenElse`` can have come those that the whole can have, by Kleene's tables, which
classad2 itself fills in. ``=?=``, ``=!=``, comparisons and ``isUndefined`` narrow them down; any other operator or
function of an unknown can have any value. So ``X && !X`` is a maybe, though it is always false.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from itertools import product
from typing import Any

from factory.condor.classad.kinds import (
    ANY,
    COMPARISONS,
    Kind,
    Kinds,
    PossibleValues,
    branch,
    comparison,
    identity,
    kind_of,
    table,
)
from factory.condor.classad.syntax import Literal, Node, Operation, Reference, Unreadable, nodes, parse_expression

_SWAPPED = {"my": "target", "target": "my"}
_LOGIC = {"&&", "||", "!"}
_TESTS = {"isundefined(", "iserror("}

NEW_NAMES = frozenset(
    (
        "machine",
        "name",
        "myaddress",
        "addressv1",
        "startdipaddr",
        "mastername",
        "ec2instanceid",
        "apfvm",
        "publicclaimid",
    )
)
"""Attributes of a machine that differ from those of all machines that exist, in lower case."""


ALWAYS_TEXT = frozenset(
    ("filesystemdomain", "uiddomain", "opsysandver", "opsysname", "opsyslongname", "opsysshortname", "opsyslegacy",
     "condorplatform", "utsnamemachine", "utsnamenodename", "utsnamerelease", "utsnamesysname", "utsnameversion")
)  # fmt: skip
"""Attributes that every startd on Linux shows as text, in lower case."""
ALWAYS_NUMBER = frozenset(("opsysver", "opsysmajorver", "loadavg", "condorloadavg", "totalloadavg", "keyboardidle"))
"""Attributes that every startd on Linux shows as a number, in lower case."""


_UNKNOWN = PossibleValues(ANY)
_NEW = PossibleValues(frozenset({Kind.TEXT}), new=True)
_OF_KIND = {
    **dict.fromkeys(ALWAYS_TEXT, PossibleValues(frozenset({Kind.TEXT}))),
    **dict.fromkeys(ALWAYS_NUMBER, PossibleValues(frozenset({Kind.NUMBER, Kind.ZERO}))),
}


class KnownAd:
    """An ad, with what was found out of its attributes; made once and matched with many."""

    def __init__(self, ad: Any, settled: Collection[str] = ()) -> None:
        """Take an ad. ``settled``: attributes, in lower case, whose values no unknown can change."""
        self.ad = ad
        self.names = frozenset(name.lower() for name in ad)
        self._settled = dict.fromkeys(settled, True)

    def is_settled(self, name: str) -> bool:
        """Return True if the value of an attribute of the ad is certain to depend on no unknown."""
        found = self._settled.get(name)
        if found is None:
            found = self._settled[name] = isinstance(self.definition(name), Literal)
        return found

    def definition(self, name: str) -> Node:
        """Return the expression of an attribute."""
        return parse_expression(str(self.ad.lookup(name)))


class Unknowns:
    """Evaluate expressions of two ads, one of them that of a new machine.

    Args:
        ad: the ad whose expressions are evaluated, and ``target`` the one it is matched with.
        machine: ``my`` or ``target``: the ad of the new machine. It has what is known of it.
        absent: attributes, in lower case, that a new machine does not have.
        new_names: attributes, in lower case, whose values are new with the machine.
    """

    def __init__(
        self,
        ad: KnownAd,
        target: KnownAd,
        machine: str,
        absent: Collection[str] = (),
        new_names: Collection[str] = NEW_NAMES,
    ) -> None:
        self._new_names = new_names
        self._ads = {"my": ad, "target": target}
        self._machine = machine
        self._absent = absent
        self._unknown: dict[tuple[int, str], bool] = {}
        self._trees: list[Node] = []  # keeps alive what ids stand for

    def verdict(self, expression: str) -> bool | None:
        """Return True or False if the expression is true, or is not, whatever the unknowns are; else None.

        Raises:
            Unreadable: the expression, or one that it refers to, is too long or nested too deep.
        """
        kinds = self._kinds(self._tree(expression), "my")
        if kinds <= {Kind.TRUE, Kind.NUMBER}:
            return True
        return None if kinds & {Kind.TRUE, Kind.NUMBER} else False

    def is_true_now(self, expression: str) -> bool:
        """Return True if the expression is true as the two ads are, without what is unknown."""
        return self._classad_value(expression, "my") in (Kind.TRUE, Kind.NUMBER)

    def refers_to_unknown(self, expression: str) -> bool:
        """Return True if the value of the expression can depend on an unknown attribute."""
        return self._has_unknown(self._tree(expression), "my", frozenset())

    def _tree(self, expression: str) -> Node:
        tree = parse_expression(expression)
        self._trees.append(tree)
        return tree

    def _kinds(self, tree: Node, side: str) -> Kinds:
        return self._evaluate(tree, side).kinds

    def _evaluate(self, tree: Node, side: str) -> PossibleValues:
        if not self._has_unknown(tree, side, frozenset()):
            return PossibleValues(frozenset({self._classad_value(tree.text, side)}), known=True)
        if isinstance(tree, Reference):
            return self._reference(tree, side)
        assert isinstance(tree, Operation)
        return PossibleValues(self._operation(tree, side))

    def _classad_value(self, text: str, side: str) -> Kind:
        try:
            return kind_of(_compiled(text).eval(self._ads[side].ad, self._ads[_SWAPPED[side]].ad))
        except Exception:  # noqa: BLE001 - the bindings raise many kinds for a value that is an error
            return Kind.ERROR

    # References

    def _found(self, reference: Reference, side: str) -> tuple[str | None, str]:
        """Return the side whose ad has the attribute (None: neither), and the side that would have to have it."""
        other = _SWAPPED[side]
        if reference.scope == "my":
            return (side if reference.name in self._ads[side].names else None), side
        if reference.scope == "target":
            return (other if reference.name in self._ads[other].names else None), other
        for place in (side, other):
            if reference.name in self._ads[place].names:
                return place, place
        return None, self._machine  # without a scope either ad may have it

    def _is_new(self, reference: Reference, place: str) -> bool:
        return place == self._machine and reference.name in self._new_names

    def _reference(self, reference: Reference, side: str) -> PossibleValues:
        found, place = self._found(reference, side)
        if self._is_new(reference, place):
            return _NEW
        if found is None:
            return _OF_KIND.get(reference.name, _UNKNOWN)
        return self._evaluate(self._definition(reference, found), found)

    def _definition(self, reference: Reference, found: str) -> Node:
        tree = self._ads[found].definition(reference.name)
        self._trees.append(tree)
        return tree

    def _has_unknown(self, tree: Node, side: str, on_the_way: frozenset[tuple[str, str]]) -> bool:
        if isinstance(tree, Literal):
            return False
        key = (id(tree), side)
        if key not in self._unknown:
            if isinstance(tree, Reference):
                self._unknown[key] = self._is_unknown(tree, side, on_the_way)
            else:
                self._unknown[key] = tree.operator == "eval(" or any(
                    self._has_unknown(part, side, on_the_way) for part in tree.parts
                )
        return self._unknown[key]

    def _is_unknown(self, reference: Reference, side: str, on_the_way: frozenset[tuple[str, str]]) -> bool:
        found, place = self._found(reference, side)
        if self._is_new(reference, place):
            return True
        if found is None:
            return place == self._machine and reference.name not in self._absent
        if self._ads[found].is_settled(reference.name):
            return False
        step = (reference.name, found)
        if step in on_the_way:
            return False  # it refers to itself: classad2 calls that an error
        return self._has_unknown(self._definition(reference, found), found, on_the_way | {step})

    # Operations

    def _operation(self, tree: Operation, side: str) -> Kinds:
        operator = tree.operator
        if operator in ("if", "ifthenelse(") and len(tree.parts) == 3:
            return self._choice(operator, tree.parts, side)
        parts = [self._evaluate(part, side) for part in tree.parts]
        kinds = [part.kinds for part in parts]
        if operator in _LOGIC or (operator in _TESTS and len(parts) == 1):
            return frozenset(table(operator, values) for values in product(*kinds))
        if operator == "?:":
            return (kinds[0] - {Kind.UNDEFINED}) | (kinds[1] if Kind.UNDEFINED in kinds[0] else frozenset())
        if operator in ("=?=", "=!="):
            return identity(operator, *parts)
        return comparison(operator, *parts) if operator in COMPARISONS else ANY

    def _choice(self, operator: str, parts: tuple[Node, ...], side: str) -> Kinds:
        results: set[Kind] = set()
        for kind in self._kinds(parts[0], side):
            taken = branch(operator, kind)
            results |= {taken} if isinstance(taken, Kind) else self._kinds(parts[taken], side)
        return frozenset(results)


@lru_cache(1000)
def _compiled(text: str) -> Any:
    import classad2

    return classad2.ExprTree(text)


def certain_names(machine: KnownAd, absent: Collection[str]) -> frozenset[str]:
    """Return the attributes of a new machine's ad, in lower case, whose values no unknown can change."""
    import classad2

    unknowns = Unknowns(machine, KnownAd(classad2.ClassAd()), "my", absent)
    names = set()
    for name in machine.names - NEW_NAMES:
        try:
            if not unknowns.refers_to_unknown(str(machine.ad.lookup(name))):
                names.add(name)
        except Unreadable:
            continue
    return frozenset(names)


def machine_names(job: KnownAd) -> frozenset[str] | None:
    """Return the machine attributes, in lower case, that a job's Requirements refer to; None: they can't be told.

    References are followed into the job's own attributes. ``eval()`` hides what it refers to in a string, which
    ``job_references`` and ``externalRefs`` do not tell.
    """
    found: set[str] = set()
    followed: set[str] = set()
    left: list[Node] = [Reference("", "my", "requirements")]
    try:
        while left:
            for node in nodes(left.pop()):
                if isinstance(node, Operation) and node.operator == "eval(":
                    return None
                if not isinstance(node, Reference):
                    continue
                if node.scope == "target" or node.name not in job.names:
                    if node.scope != "my":
                        found.add(node.name)
                elif node.name not in followed:
                    followed.add(node.name)
                    left.append(job.definition(node.name))
    except Unreadable:
        return None
    return frozenset(found)
