"""Doubt a no that only machines have shown: it may not hold for the next one. Pure.

A failed mount on the first machine of a shape must not keep jobs from that shape for ever. So one machine is bought as
a probe after an hour, and again after 2, 4, 8, 16 and each further 24 hours, as long as probes are in vain. A queue
buys one such probe an hour at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from factory.model.memory import Doubt

FIRST_S = 3600
LONGEST_S = 24 * 3600
_MOST = 200
"""Doubts of one queue to remember."""
_KEEP_S = 2 * LONGEST_S
"""Time for which a doubt is remembered while no job has it."""


def due_doubts(memory: Mapping[str, Doubt], queue: str, now: float) -> tuple[str, ...]:
    """Return the names of the doubts of a queue for which a probe is due, the one that waited longest first."""
    mine = {name: doubt for name, doubt in memory.items() if doubt.queue == queue}
    if any(now - doubt.probed < FIRST_S for doubt in mine.values() if doubt.probed):
        return ()
    due = (name for name, doubt in mine.items() if now - doubt.since >= _wait_s(doubt))
    return tuple(sorted(due, key=lambda name: (mine[name].since, name)))


def _wait_s(doubt: Doubt) -> float:
    return float(min(LONGEST_S, FIRST_S * 2 ** min(doubt.times, 10)))


def update_doubts(
    memory: Mapping[str, Doubt], queue: str, seen: Iterable[str], probed: str | None, now: float
) -> dict[str, Doubt]:
    """Return the memory after a round of a queue.

    Args:
        memory: The memory before the round.
        queue: The queue that decided.
        seen: The doubts of its waiting jobs.
        probed: The doubt for which it bought a probe.
        now: Time of the round.
    """
    after = {name: doubt for name, doubt in memory.items() if doubt.queue != queue or now - doubt.seen < _KEEP_S}
    left = _MOST - sum(doubt.queue == queue for doubt in after.values())
    for name in sorted(seen):
        if name in after:
            after[name] = replace(after[name], seen=now)
        elif left > 0:
            after[name] = Doubt(queue, since=now, seen=now)
            left -= 1
    if probed is not None and probed in after:
        doubt = after[probed]
        after[probed] = replace(doubt, since=now, times=doubt.times + 1, probed=now)
    return after
