"""Validate the answers of plugins. Pure.

Python does not check types at run time, and an invalid answer of one plugin must not affect other queues.
"""

from __future__ import annotations

from typing import TypeVar, get_args

from factory.model.actions import Action, Plan, Submit
from factory.model.ask import Ask
from factory.model.memory import Health
from factory.model.status import BATCH_COUNTS, BatchStatus, SiteStatus, Unknown, WmsStatus
from factory.plugin.sched import AskStep, Step

T = TypeVar("T")

_COUNTS = {
    WmsStatus: ("notready", "ready", "running", "done", "failed"),
    BatchStatus: BATCH_COUNTS,
}


LIMIT = 10**9
"""Largest n that a sched plugin may answer, up or down; no pool has more machines."""


class InvalidAnswer(TypeError):
    """An invalid answer of a plugin; the message says what is wrong."""


def validate_status(status: object, kind: type[T]) -> T | Unknown:
    """Return the status if it is valid.

    Raises:
        InvalidAnswer: It is not.
    """
    if isinstance(status, Unknown):
        return Unknown(str(status.reason))
    if not isinstance(status, kind):
        raise InvalidAnswer(f"answered {type(status).__name__}, not {kind.__name__}")
    for name in _COUNTS.get(kind, ()):
        value = getattr(status, name)
        if type(value) is not int or value < 0:
            raise InvalidAnswer(f"answered {name} = {value!r}, which is not a count")
    if isinstance(status, SiteStatus) and not isinstance(status.status, str):
        raise InvalidAnswer(f"answered site status {status.status!r}, which is not a text")
    if isinstance(status, BatchStatus) and not (isinstance(status.vms, tuple) and isinstance(status.jobs, tuple)):
        raise InvalidAnswer("answered vms or jobs that are not a tuple")
    return status


def validate_step(step: object) -> Step:
    """Return the step of a plain sched plugin if it is valid.

    Raises:
        InvalidAnswer: It is not.
    """
    if not isinstance(step, Step):
        raise InvalidAnswer(f"answered {_short(step)}, which is not a Step")
    _check_number(step.n, step.reason)
    return step


def validate_ask_step(step: object) -> AskStep:
    """Return the step of a sched plugin that sees the whole ask if it is valid.

    Raises:
        InvalidAnswer: It is not.
    """
    if not isinstance(step, AskStep) or not isinstance(step.ask, Ask):
        raise InvalidAnswer(f"answered {_short(step)}, which is not an AskStep")
    _check_number(step.ask.n, step.reason)
    n, victims = step.ask.n, len(step.ask.victims)
    if len(step.ask.shapes) > max(n, 0) or (n < 0 and victims > -n):
        raise InvalidAnswer(f"answered more shapes or victims than n = {n} allows")
    return step


def _check_number(n: object, reason: object) -> None:
    if not isinstance(n, int) or isinstance(n, bool):
        raise InvalidAnswer(f"answered n = {_short(n)}, which is not a whole number")
    if abs(n) > LIMIT:
        raise InvalidAnswer(f"answered n = {n:.3e}, more than any pool has")
    if not isinstance(reason, str):
        raise InvalidAnswer(f"answered reason {_short(reason)}, which is not a text")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def validate_plan(plan: object, queue: str) -> Plan:
    """Return the plan if it is valid, and for this queue.

    Raises:
        InvalidAnswer: It is not.
    """
    if not isinstance(plan, Plan):
        raise InvalidAnswer(f"answered {type(plan).__name__}, not Plan")
    for action in plan.actions:
        if not isinstance(action, get_args(Action)):
            raise InvalidAnswer(f"planned {type(action).__name__}, which is not an action")
        if action.queue != queue:
            raise InvalidAnswer(f"planned for queue {action.queue!r}, which is not its own")
        if isinstance(action, Submit) and (type(action.n) is not int or action.n < 1):
            raise InvalidAnswer(f"planned to submit {action.n!r} jobs")
    if plan.health is not None and not isinstance(plan.health, Health):
        raise InvalidAnswer(f"answered health of type {type(plan.health).__name__}, not Health")
    if not all(isinstance(note, str) for note in plan.notes):
        raise InvalidAnswer("answered notes that are not texts")
    return plan
