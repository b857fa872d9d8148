"""ClassAd expressions of the pool's administrator, evaluated as its daemons do. Runs in a worker process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Question:
    """An expression, the ad it is evaluated in, and the ad that TARGET is; ads as text."""

    expression: str
    my: str
    target: str = ""
    changes: Mapping[str, str] | None = None
    """Attributes of the job or slot that are set for this question, as expressions: of TARGET if there is one."""


Answer = bool | str | None
"""True or False, a text, or None for anything else: undefined, an error, no expression at all."""


def evaluate(questions: Sequence[Question]) -> list[Answer]:
    """Answers in the same order."""
    return [_answer(question) for question in questions]


def _answer(question: Question) -> Answer:
    import classad2

    my, target = _ad(question.my), _ad(question.target) if question.target else None
    for name, value in (question.changes or {}).items():
        (my if target is None else target)[name] = classad2.ExprTree(value)
    try:
        value = classad2.ExprTree(question.expression).eval(my, target)
    except (ValueError, TypeError, RuntimeError, SyntaxError):
        return None
    if isinstance(value, bool | str):
        return value
    return bool(value) if isinstance(value, int | float) and not isinstance(value, classad2.Value) else None


def _ad(text: str) -> Any:
    import classad2

    return classad2.ClassAd(text) if text else classad2.ClassAd()
