"""Evaluate the administrator's expressions as HTCondor's daemons do. Runs in a worker process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from factory.condor.classad.values import number


@dataclass(frozen=True)
class Question:
    """An expression, the ad it is evaluated in (MY) and the ad it is matched with (TARGET). Ads are texts."""

    expression: str
    my: str
    target: str = ""
    changes: Mapping[str, str] | None = None
    """Attributes set for this question, as expressions: in TARGET if there is one, else in MY."""


Answer = bool | str | None
"""A boolean or a string; None for anything else, such as undefined, an error or a syntax error."""


def evaluate(questions: Sequence[Question]) -> list[Answer]:
    """Return the answers in the order of the questions."""
    return [_answer(question) for question in questions]


def _answer(question: Question) -> Answer:
    import classad2

    my, target = _ad(question.my), _ad(question.target) if question.target else None
    for name, expression in (question.changes or {}).items():
        (my if target is None else target)[name] = classad2.ExprTree(expression)
    try:
        result = classad2.ExprTree(question.expression).eval(my, target)
    except (ValueError, TypeError, RuntimeError, SyntaxError):
        return None
    if isinstance(result, bool | str):
        return result
    amount = number(result)
    return None if amount is None else bool(amount)


def _ad(text: str) -> Any:
    import classad2

    return classad2.ClassAd(text) if text else classad2.ClassAd()
