"""Limits on the number of waiting jobs that the negotiator would start, independent of free slots. Pure.

A job beyond a concurrency limit, a quota or a ceiling waits for that limit and not for a machine. Nothing is bought for
it, and it does not make its group stuck while machines are free.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from factory.fit.packing.vectors import TINY
from factory.model.demand import JobGroup, Limit


@dataclass(frozen=True)
class Admitted:
    """Jobs that the limits of the pool let start."""

    beyond: Mapping[str, int] = field(default_factory=dict)
    """Group key → jobs that would not start. A group without such jobs has no entry."""
    why: Mapping[str, str] = field(default_factory=dict)
    """Group key → the limit that stops them; of several, the one that lets the fewest start."""

    def of(self, group: JobGroup) -> int:
        """Return the number of jobs of a group that may start."""
        return max(0, group.count - self.beyond.get(group.key, 0))


def apply_limits(groups: Iterable[JobGroup], limits: Iterable[Limit]) -> Admitted:
    """Return the jobs that may start under all limits; groups under one limit get equal parts of what is left of it.

    The result does not depend on the order of the input.
    """
    counts = {group.key: group.count for group in groups}
    startable, why = dict(counts), dict[str, str]()
    for limit in sorted((each for each in limits if not each.grows), key=lambda limit: limit.name):
        wanted = {key: startable[key] for key in sorted(limit.weights) if startable.get(key, 0) > 0}
        for key, n in _share_out(limit, wanted).items():
            if n < wanted[key]:
                startable[key], why[key] = n, limit.name
    return Admitted({key: counts[key] - n for key, n in startable.items() if n < counts[key]}, why)


def _share_out(limit: Limit, wanted: Mapping[str, int]) -> dict[str, int]:
    """Return the jobs of each group that start: equally many of each group, and the remainder in the order of keys."""
    left, level, given = limit.left, 0, dict.fromkeys(wanted, 0)
    per_round = sum(limit.weights[key] for key in wanted)
    waiting = sorted(wanted, key=lambda key: (wanted[key], key))
    for i, key in enumerate(waiting):
        rounds = min(wanted[key] - level, max(0, int((left + TINY) // per_round)))
        level, left = level + rounds, left - rounds * per_round
        if level < wanted[key]:
            given.update(dict.fromkeys(waiting[i:], level))
            break
        given[key] = level
        per_round -= limit.weights[key]
    for key in sorted(wanted):
        fit = max(0.0, left) / limit.weights[key]
        more = min(wanted[key] - given[key], math.floor(fit + TINY) if limit.strict else math.ceil(fit - TINY))
        given[key] += more
        left -= more * limit.weights[key]
    return given
