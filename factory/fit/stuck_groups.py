"""What is remembered of job groups: which of them wait in front of room that fits. Pure.

A group is *stuck* when room that fits it stood free through three negotiation cycles and none of its jobs started, or
when a machine that fits it came, stood unclaimed and was sent away while it waited. Then something else than room is
missing (a quota, a limit, a licence), and one more machine would come and leave in vain. It is stuck until some of its
jobs start: until its count falls. All this delays purchases and causes none (rule 1), except for one probe an hour, and
one at once if the negotiator says something new of it, which are purchases that were held back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from factory.model.demand import JobGroup, Room
from factory.model.memory import Backoff, Waiting

CYCLES = 3
"""Rounds in which the room must have been seen free, at least."""
STUCK_S = 300
"""Three negotiation cycles of a usual pool."""
_NAMES = 8
_REASONS = 20


def watch(
    memory: Mapping[str, Waiting],
    groups: Iterable[JobGroup],
    free: Mapping[str, Mapping[str, Room]],
    running: Mapping[str, int],
    now: float,
    stuck_s: Mapping[str, float],
) -> dict[str, Waiting]:
    """The memory after a reading. All by group key.

    Args:
        memory: What was remembered.
        groups: The groups that were read.
        free: Machines in the pool with room for a group, and what is free there.
        running: Jobs of the same work that run. New jobs may hide in the count of a group that old ones start, but if
            more run than before, some of the work did start.
        now: When this was read.
        stuck_s: After how long in front of free room a group is stuck.
    """
    after = {}
    for group in groups:
        seen = memory.get(group.key)
        if seen is None or group.count < seen.count:
            seen = Waiting(now, group.count, group.reject_reason, probed=0 if seen is None else seen.probed)
        else:
            seen = _heard(replace(seen, count=group.count), group.reject_reason)
        if seen.stuck is None:
            patience_s = stuck_s.get(group.key, STUCK_S)
            seen = _stands(seen, free.get(group.key, {}), running.get(group.key, 0), now, patience_s)
        after[group.key] = seen
    return after


def _heard(seen: Waiting, reason: str | None) -> Waiting:
    """Words that come and go with a machine are said again and again: only new ones tell anything."""
    if reason == seen.reason:
        return seen
    before = tuple(sorted({*seen.reasons, seen.reason or ""}))[:_REASONS]
    new = seen.stuck is not None and (reason or "") not in before and len(before) < _REASONS
    return replace(seen, reason=reason, reasons=before, told=seen.told or new)


def _stands(seen: Waiting, free: Mapping[str, Room], running: int, now: float, stuck_s: float) -> Waiting:
    still = {name: free[name] for name, room in seen.machines.items() if name in free and free[name].holds(room)}
    if not still or running > seen.running:
        some = {name: free[name] for name in sorted(free)[:_NAMES]}
        since, rounds = (now, 1) if some else (None, 0)
        return replace(seen, machines=some, free_since=since, rounds=rounds, running=running)
    seen = replace(seen, machines=still, rounds=seen.rounds + 1)
    since = now if seen.free_since is None else seen.free_since
    if seen.rounds >= CYCLES and now - since >= stuck_s:
        why = f"room that fits stood free for {now - since:.0f} s and none of its jobs started"
        return replace(seen, stuck=why, stuck_since=now)
    return seen


def came_in_vain(memory: Mapping[str, Waiting], keys: Iterable[str], joined: float, now: float) -> dict[str, Waiting]:
    """The memory after a machine that these groups could use left unclaimed: those that waited all along are stuck."""
    why = "a machine that fits it came and left without being claimed"
    after = dict(memory)
    for key in keys:
        seen = after.get(key)
        if seen is not None and seen.stuck is None and seen.since <= joined:
            after[key] = replace(seen, stuck=why, stuck_since=now)
    return after


def probed(memory: Mapping[str, Waiting], keys: Iterable[str], now: float) -> dict[str, Waiting]:
    """The memory after a machine was bought to find out more of these groups."""
    return {**memory, **{key: replace(memory[key], probed=now, told=False) for key in keys if key in memory}}


FIRST_S = 900
LONGEST_S = 4 * 3600


def longer(backoff: Backoff | None, now: float) -> Backoff:
    """The backoff after one more machine left unclaimed: 15 minutes, doubled each time, 4 hours at most.

    Machines that leave while it lasts were bought before, and do not lengthen it.
    """
    if backoff is not None and now < backoff.until:
        return backoff
    times = 1 if backoff is None else backoff.times + 1
    return Backoff(now + min(LONGEST_S, FIRST_S * 2 ** (times - 1)), times)
