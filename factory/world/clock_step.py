"""Shift all remembered times after the host's clock was set, so that ages stay the same. Pure.

Otherwise a clock that was set back would stop all decisions until it catches up: every reading would be older than the
last act. A clock that was set forward would make everything older by the step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from factory.model.memory import (
    Backoff,
    Breaker,
    Doubt,
    FitMemory,
    Health,
    Memory,
    Newcomer,
    Seen,
    VanishedJob,
    Waiting,
)
from factory.model.source import Reading

T = TypeVar("T")

TIMES: Mapping[type, tuple[str, ...]] = {
    FitMemory: (),  # stuck_s is a span
    Health: (),
    Memory: ("sent", "absent", "alone", "proven", "unseen"),
    Seen: ("joined", "gone"),
    VanishedJob: ("since",),
    Breaker: ("opened", "until"),
    Newcomer: ("joined",),
    Waiting: ("since", "free_since", "stuck_since", "probed"),
    Backoff: ("until",),
    Doubt: ("since", "probed", "seen"),
    Reading: ("started", "ended"),
}
"""Fields with an epoch by the host's clock, or with a mapping of names to such epochs, by class."""


def shift_times(thing: T, by_s: float) -> T:
    """Return a copy with all times in it later by ``by_s``."""
    moved: Any = thing
    if isinstance(thing, Mapping):
        moved = {key: shift_times(value, by_s) for key, value in thing.items()}
    elif isinstance(thing, tuple(TIMES)):
        times = TIMES.get(type(thing), ())
        inside = () if isinstance(thing, Reading) else [each.name for each in fields(moved) if each.name not in times]
        changes = {name: _later(getattr(moved, name), by_s) for name in times}
        moved = replace(moved, **changes, **{name: shift_times(getattr(moved, name), by_s) for name in inside})
    return moved  # type: ignore[no-any-return]


def _later(moments: Any, by_s: float) -> Any:
    if isinstance(moments, Mapping):
        return {key: _later(moment, by_s) for key, moment in moments.items()}
    return None if moments is None else moments + by_s
