"""How many of the waiting jobs the negotiator would start, whatever room there is. Pure.

Jobs beyond a concurrency limit, a quota or a ceiling wait for that and for no machine: nothing is bought for them, and
they do not wait in vain in front of free room either.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from factory.fit.packing.vectors import TINY
from factory.model.demand import JobGroup, Limit


@dataclass(frozen=True)
class Admitted:
    """What limits leave of groups."""

    beyond: Mapping[str, int] = field(default_factory=dict)
    """Group key → jobs that would not start. Groups without any are not named."""
    why: Mapping[str, str] = field(default_factory=dict)
    """Group key → the limit in the way; of several the one that leaves the fewest."""

    def of(self, group: JobGroup) -> int:
        """How many jobs of a group may start."""
        return max(0, group.count - self.beyond.get(group.key, 0))


def admitted(groups: Iterable[JobGroup], limits: Iterable[Limit]) -> Admitted:
    """Which jobs may start, by each limit in turn; groups under one limit share what is left of it alike.

    The result does not depend on the order of the input.
    """
    counts = {group.key: group.count for group in groups}
    may, why = dict(counts), dict[str, str]()
    for limit in sorted(limits, key=lambda limit: limit.name):
        wanted = {key: may[key] for key in sorted(limit.weights) if may.get(key, 0) > 0}
        for key, n in _shared(limit, wanted).items():
            if n < wanted[key]:
                may[key], why[key] = n, limit.name
    return Admitted({key: counts[key] - n for key, n in may.items() if n < counts[key]}, why)


def _shared(limit: Limit, wanted: Mapping[str, int]) -> dict[str, int]:
    """Of each group the jobs that start: as many of each as of the others, and of what is then left by name."""
    left, level, given = limit.left, 0, dict.fromkeys(wanted, 0)
    each = sum(limit.weights[key] for key in wanted)
    waiting = sorted(wanted, key=lambda key: (wanted[key], key))
    for i, key in enumerate(waiting):
        turns = min(wanted[key] - level, max(0, int((left + TINY) // each)))
        level, left = level + turns, left - turns * each
        if level < wanted[key]:
            given.update(dict.fromkeys(waiting[i:], level))
            break
        given[key] = level
        each -= limit.weights[key]
    for key in sorted(wanted):
        fit = max(0.0, left) / limit.weights[key]
        more = min(wanted[key] - given[key], math.floor(fit + TINY) if limit.strict else math.ceil(fit - TINY))
        given[key] += more
        left -= more * limit.weights[key]
    return given
