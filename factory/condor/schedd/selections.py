"""Split the rows of a few queries into the job selections of many queues."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from factory.condor.classad.clauses import is_true
from factory.condor.classad.expressions import checked_expression
from factory.condor.classad.references import references
from factory.condor.classad.values import value

Selection = str | None
"""A ClassAd expression over the job ad; None: all jobs."""

_IS = re.compile(r'(?:MY\.)?([A-Za-z_]\w*) (==|=\?=) "([^"\\]*)"')
_MANY = 50
"""With more selections than this, the query has no constraint and all rows are split here."""


def group_by_references(
    selections: Iterable[Selection],
) -> tuple[dict[tuple[str, ...], list[Selection]], dict[Selection, str]]:
    """Return selections by the attributes that they refer to, and the error of each that is not an expression.

    Each attribute splits groups of jobs further; one that only one queue needs must not split those of the others.
    """
    sets: dict[tuple[str, ...], list[Selection]] = defaultdict(list)
    wrong: dict[Selection, str] = {}
    for selection in sorted(selections, key=lambda each: each or ""):
        try:
            names = () if selection is None else references([checked_expression(selection)])
        except ValueError as error:
            wrong[selection] = str(error)
        else:
            sets[tuple(sorted({name.lower() for name in names}))].append(selection)
    return sets, wrong


def union_constraint(selections: Collection[Selection]) -> str:
    """Return a constraint that matches what any of these selects, and possibly more."""
    if None in selections or len(selections) > _MANY:
        return "true"
    return " || ".join(f"({selection})" for selection in selections)


def split_rows(rows: Iterable[Any], selections: Sequence[Selection]) -> dict[Selection, list[Any]]:
    """Return the rows of each selection, from a query with the constraint of :func:`union_constraint`."""
    if len(selections) == 1:
        return {selections[0]: list(rows)}
    by_selection: dict[Selection, list[Any]] = {selection: [] for selection in selections}
    choose = _Chooser(selections)
    for row in rows:
        for selection in choose(row):
            by_selection[selection].append(row)
    return by_selection


class _Chooser:
    """Finder of the selections that a row belongs to. Most compare one attribute with a text; a lookup serves them."""

    def __init__(self, selections: Iterable[Selection]) -> None:
        import classad2

        self._all: list[Selection] = []
        self._by_value: dict[str, tuple[dict[str, list[Selection]], dict[str, list[Selection]]]] = {}
        self._others: list[tuple[Selection, Any]] = []
        for selection in selections:
            plain = None if selection is None else _IS.fullmatch(selection)
            if selection is None:
                self._all.append(selection)
            elif plain is None:
                self._others.append((selection, classad2.ExprTree(selection)))
            else:
                exact, folded = self._by_value.setdefault(plain[1], ({}, {}))
                values, text = (folded, plain[3].lower()) if plain[2] == "==" else (exact, plain[3])
                values.setdefault(text, []).append(selection)

    def __call__(self, row: Any) -> Iterator[Selection]:
        yield from self._all
        for attribute, (exact, folded) in self._by_value.items():
            text = value(row, attribute)
            if isinstance(text, str):
                yield from exact.get(text, ())
                yield from folded.get(text.lower(), ())
        for selection, tree in self._others:
            if _is_true(tree, row):
                yield selection


def _is_true(tree: Any, row: Any) -> bool:
    """True if the expression is true for the row as a constraint: a number other than zero is true too."""
    try:
        result = tree.eval(row)
    except UnicodeDecodeError:  # a string, which is not true
        return False
    return is_true(result)
