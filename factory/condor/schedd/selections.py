"""Selections of one schedd's jobs: many queues' jobs out of the rows of a few queries."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from factory.condor.classad.expressions import checked_expression
from factory.condor.classad.references import references
from factory.condor.classad.values import value

Selection = str | None
"""A ClassAd expression over the job ad; None: all jobs."""

_IS = re.compile(r'(?:MY\.)?([A-Za-z_]\w*) (==|=\?=) "([^"\\]*)"')
_MANY = 50
"""Selections that the schedd itself is asked for; of more than these, all rows are looked at here."""


def group_by_references(
    selections: Iterable[Selection],
) -> tuple[dict[tuple[str, ...], list[Selection]], dict[Selection, str]]:
    """Selections by the attributes that they refer to, and what is wrong with those that are no expressions.

    Each attribute splits groups of jobs further, so one that only one queue asks for must not split those of all.
    """
    found: dict[tuple[str, ...], list[Selection]] = defaultdict(list)
    wrong: dict[Selection, str] = {}
    for selection in sorted(selections, key=lambda each: each or ""):
        try:
            names = () if selection is None else references([checked_expression(selection)])
        except ValueError as error:
            wrong[selection] = str(error)
        else:
            found[tuple(sorted({name.lower() for name in names}))].append(selection)
    return found, wrong


def union_constraint(selections: Collection[Selection]) -> str:
    """A constraint that lets through what one of these selects, and perhaps more."""
    if None in selections or len(selections) > _MANY:
        return "true"
    return " || ".join(f"({selection})" for selection in selections)


def split_rows(rows: Iterable[Any], selections: Sequence[Selection]) -> dict[Selection, list[Any]]:
    """The rows of each of these selections, which the schedd was asked for by :func:`union_constraint`."""
    if len(selections) == 1:
        return {selections[0]: list(rows)}
    found: dict[Selection, list[Any]] = {selection: [] for selection in selections}
    choose = _Chooser(selections)
    for row in rows:
        for selection in choose(row):
            found[selection].append(row)
    return found


class _Chooser:
    """Which selections a row belongs to. Most compare one attribute with a text: those are looked up."""

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
    """As a constraint: a number that is not zero counts."""
    import classad2

    try:
        found = tree.eval(row)
    except UnicodeDecodeError:  # a text, which is not true
        return False
    return isinstance(found, bool | int | float) and not isinstance(found, classad2.Value) and bool(found)
