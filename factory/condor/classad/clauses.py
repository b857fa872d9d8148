"""Clauses of an expression, and the one that decides."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from factory.condor.classad.syntax import Operation, Unreadable, parse_expression
from factory.condor.classad.values import has, number


def failing_clause(expression: str, ad: Any, target: Any) -> tuple[str, Any]:
    """Return the first clause of an ``&&`` chain that is false, else the first that is not true, and its value."""
    undefined: tuple[str, Any] | None = None
    for clause in split_and(expression):
        value = clause_value(clause, ad, target)
        if value is False:
            return clause, value
        if not is_true(value) and undefined is None:
            undefined = clause, value
    return undefined or (expression, None)


def is_true(value: Any) -> bool:
    """True if HTCondor takes a value for true: a number other than zero is."""
    return value is True or bool(number(value))


def clause_value(clause: Any, ad: Any, target: Any) -> Any:
    """Return the value of a text or a tree between two ads; the error as text if there is none."""
    import classad2

    try:
        return (classad2.ExprTree(clause) if isinstance(clause, str) else clause).eval(ad, target)
    except Exception as error:  # noqa: BLE001 - the bindings raise many kinds for a clause that is an error
        return str(error)


def named_expression(clause: str, ad: Any) -> str | None:
    """Return the expression of the attribute if the clause is only its name, such as START."""
    name = clause.removeprefix("MY.")
    return str(ad.lookup(name)) if name.isidentifier() and has(ad, name) else None


@lru_cache(10_000)
def split_and(expression: str) -> tuple[str, ...]:
    """Split an expression at its top-level ``&&``, without the parentheses around the parts."""
    try:
        tree = parse_expression(expression)
    except Unreadable:
        return (expression,)
    parts, left = [], [tree]
    while left:
        part = left.pop()
        if isinstance(part, Operation) and part.operator == "&&":
            left += reversed(part.parts)
        else:
            parts.append(part.text)
    return tuple(parts)
