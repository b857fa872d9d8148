"""Whether what a plugin answers makes sense. Pure.

Types are not checked when Python runs, and one plugin's nonsense must not reach what all queues share.
"""

from __future__ import annotations

from typing import TypeVar, get_args

from factory.model.actions import Action, Plan, Submit
from factory.model.memory import Health
from factory.model.status import BatchStatus, SiteStatus, Unknown, WmsStatus

T = TypeVar("T")

_COUNTS = {
    WmsStatus: ("notready", "ready", "running", "done", "failed"),
    BatchStatus: ("pending", "stuck", "running", "suspended", "done", "retiring", "retired", "held", "lost", "orphans"),
}


class InvalidAnswer(TypeError):
    """A plugin's answer makes no sense; the message says what is wrong with it."""


def validate_status(status: object, kind: type[T]) -> T | Unknown:
    """The status, if it is one.

    Raises:
        NonsenseError: it is not.
    """
    if isinstance(status, Unknown):
        return Unknown(str(status.reason))
    if not isinstance(status, kind):
        raise InvalidAnswer(f"answered {type(status).__name__}, not {kind.__name__}")
    for name in _COUNTS.get(kind, ()):
        value = getattr(status, name)
        if type(value) is not int or value < 0:
            raise InvalidAnswer(f"answered {name} = {value!r}, which is no count")
    if isinstance(status, SiteStatus) and not isinstance(status.status, str):
        raise InvalidAnswer(f"answered {status.status!r} as the status of the site, which is no text")
    if isinstance(status, BatchStatus) and not (isinstance(status.vms, tuple) and isinstance(status.jobs, tuple)):
        raise InvalidAnswer("answered vms or jobs that are no tuple")
    return status


def validate_plan(plan: object, queue: str) -> Plan:
    """The plan, if it is one, and one for this queue.

    Raises:
        NonsenseError: it is not.
    """
    if not isinstance(plan, Plan):
        raise InvalidAnswer(f"answered {type(plan).__name__}, not Plan")
    for action in plan.actions:
        if not isinstance(action, get_args(Action)):
            raise InvalidAnswer(f"planned {type(action).__name__}, which is no action")
        if action.queue != queue:
            raise InvalidAnswer(f"planned for queue {action.queue!r}, which is not its own")
        if isinstance(action, Submit) and (type(action.n) is not int or action.n < 1):
            raise InvalidAnswer(f"planned to submit {action.n!r} jobs")
    if plan.health is not None and not isinstance(plan.health, Health):
        raise InvalidAnswer(f"answered {type(plan.health).__name__} as health, which is none")
    if not all(isinstance(note, str) for note in plan.notes):
        raise InvalidAnswer("gave notes that are no text")
    return plan
