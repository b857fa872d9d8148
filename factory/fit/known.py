"""What a factory remembers of jobs and machines, as data for other processes: ``apf explain`` judges with it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from factory.fit.memory import FitMemory
from factory.fit.model import Room
from factory.fit.waiting import Backoff, Waiting


def memory_report(memory: FitMemory) -> dict[str, Any]:
    """Groups that are stuck, what machines of a shape had, queues that buy more rarely."""
    stuck = {key: seen for key, seen in memory.waiting.items() if seen.stuck is not None}
    return {
        "stuck": {key: {**asdict(seen), "machines": sorted(seen.machines)} for key, seen in sorted(stuck.items())},
        "rooms": {shape: asdict(room) for shape, room in sorted(memory.rooms.items())},
        "backoff": {queue: asdict(backoff) for queue, backoff in sorted(memory.backoff.items())},
    }


def memory_of(report: Mapping[str, Any]) -> FitMemory:
    """The same again.

    Raises:
        ValueError: it is no such report, or one of another version.
    """
    try:
        return FitMemory(
            waiting={key: _waiting(seen) for key, seen in report["stuck"].items()},
            rooms={shape: Room(**room) for shape, room in report["rooms"].items()},
            backoff={queue: Backoff(**backoff) for queue, backoff in report["backoff"].items()},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no memory of a factory of this version: {error}") from None


def _waiting(seen: Mapping[str, Any]) -> Waiting:
    return Waiting(**{**seen, "machines": frozenset(seen["machines"])})
