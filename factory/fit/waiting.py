"""What is remembered of job groups: which of them wait in front of room that fits. Pure.

A group is *stuck* when room that fits it stood free through three negotiation cycles and its count did not fall, or
when a machine that fits it came and left without ever being claimed while it waited. Then something else than room is
missing (a quota, a limit, a licence), and one more machine would come and leave in vain. It is stuck until its count
falls, or what the negotiator says of it changes. All this delays purchases and causes none (rule 1), except for one
probe an hour, which is a purchase that was held back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from factory.fit.model import JobGroup

CYCLES = 3
"""Rounds in which the room must have been seen free, at least."""
PROBE_S = 3600
"""A stuck group gets one machine an hour."""
_NAMES = 20


@dataclass(frozen=True, slots=True)
class Waiting:
    """What was seen of one group. Times are epoch seconds."""

    since: float
    """First seen, or its count fell."""
    count: int
    """The fewest jobs seen since then."""
    reason: str | None = None
    """What the negotiator said of it."""
    free_since: float | None = None
    """The same machines have had room for it since; None: there is no such machine now."""
    machines: frozenset[str] = frozenset()
    """Some of these machines."""
    rounds: int = 0
    """In which that was seen."""
    stuck: str | None = None
    """Why nothing is bought for it."""
    stuck_since: float = 0
    probed: float = 0
    """When a machine was last bought to find out more."""


def watch(
    memory: Mapping[str, Waiting],
    groups: Iterable[JobGroup],
    free: Mapping[str, Collection[str]],
    now: float,
    stuck_s: float,
) -> dict[str, Waiting]:
    """The memory after a reading. ``free``: group key → machines in the pool with room for it."""
    after = {}
    for group in groups:
        seen = memory.get(group.key)
        if seen is None or group.count < seen.count or group.reject_reason != seen.reason:
            probed = 0 if seen is None else seen.probed
            seen = Waiting(now, group.count, group.reject_reason, probed=probed)
        after[group.key] = _stands(seen, free.get(group.key, ()), now, stuck_s)
    return after


def _stands(seen: Waiting, free: Collection[str], now: float, stuck_s: float) -> Waiting:
    still = seen.machines & set(free)
    if not still:
        names = frozenset(sorted(free)[:_NAMES])
        return replace(seen, machines=names, free_since=now if names else None, rounds=1 if names else 0)
    seen = replace(seen, machines=still, rounds=seen.rounds + 1)
    since = now if seen.free_since is None else seen.free_since
    if seen.stuck is None and seen.rounds >= CYCLES and now - since >= stuck_s:
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
    return {**memory, **{key: replace(memory[key], probed=now) for key in keys if key in memory}}


@dataclass(frozen=True, slots=True)
class Backoff:
    """A queue whose machines come and leave unclaimed buys ever more rarely."""

    until: float
    """Nothing is bought before (epoch seconds)."""
    times: int
    """Machines in a row, so far."""


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
