"""Find job groups that are stuck: their jobs do not start although machines have room for them. Pure.

A group is *stuck* if room that fits it stayed free through three negotiation cycles and none of its jobs started. It is
also stuck if a VM that fits it joined and retired unclaimed while the group waited. Such jobs lack something other than
room (a quota, a limit, a licence), so one more machine would stay unclaimed as well.

A group stays stuck until some of its jobs start, that is, until its count falls. Being stuck delays purchases and never
triggers one (rule 1). The delayed purchases are one probe an hour, and one at once when the negotiator gives a new
reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from factory.model.demand import JobGroup, Room
from factory.model.memory import Backoff, Waiting

CYCLES = 3
"""The least number of rounds in which the room must be free."""
STUCK_S = 300
"""Three negotiation cycles of a usual pool."""
_NAMES = 8
"""Free machines to remember of one group."""
_REASONS = 20
"""Reject reasons to remember of one group."""


def update_waiting(
    memory: Mapping[str, Waiting],
    groups: Iterable[JobGroup],
    free: Mapping[str, Mapping[str, Room]],
    running: Mapping[str, int],
    now: float,
    stuck_s: Mapping[str, float],
) -> dict[str, Waiting]:
    """Return the memory after a reading. All mappings are by group key.

    Args:
        memory: The memory before the reading.
        groups: The groups that were read.
        free: Machines in the pool with room for a group, and their free room.
        running: Running jobs of the same work. New jobs can hide that old jobs of a group start, because the count
            stays the same. More running jobs than before show that some did start.
        now: Time of the reading.
        stuck_s: Seconds of unused free room after which a group is stuck.
    """
    after = {}
    for group in groups:
        waiting = memory.get(group.key)
        if waiting is None or group.count < waiting.count:
            waiting = Waiting(now, group.count, group.reject_reason, probed=0 if waiting is None else waiting.probed)
        else:
            waiting = _with_reason(replace(waiting, count=group.count), group.reject_reason)
        if waiting.stuck is None:
            patience_s = stuck_s.get(group.key, STUCK_S)
            waiting = _with_free_room(waiting, free.get(group.key, {}), running.get(group.key, 0), now, patience_s)
        after[group.key] = waiting
    return after


def _with_reason(waiting: Waiting, reason: str | None) -> Waiting:
    """Note a reject reason. Reasons that alternate as a machine comes and goes are not new."""
    if reason == waiting.reason:
        return waiting
    before = tuple(sorted({*waiting.reasons, waiting.reason or ""}))[:_REASONS]
    new = waiting.stuck is not None and (reason or "") not in before and len(before) < _REASONS
    return replace(waiting, reason=reason, reasons=before, new_reason=waiting.new_reason or new)


def _with_free_room(waiting: Waiting, free: Mapping[str, Room], running: int, now: float, stuck_s: float) -> Waiting:
    still = {name: free[name] for name, room in waiting.machines.items() if name in free and free[name].holds(room)}
    if not still or running > waiting.running:
        some = {name: free[name] for name in sorted(free)[:_NAMES]}
        since, rounds = (now, 1) if some else (None, 0)
        return replace(waiting, machines=some, free_since=since, rounds=rounds, running=running)
    waiting = replace(waiting, machines=still, rounds=waiting.rounds + 1)
    since = now if waiting.free_since is None else waiting.free_since
    if waiting.rounds >= CYCLES and now - since >= stuck_s:
        why = f"free machines that fit stayed unused for {now - since:.0f} s"
        return replace(waiting, stuck=why, stuck_since=now)
    return waiting


def mark_stuck(memory: Mapping[str, Waiting], keys: Iterable[str], joined: float, now: float) -> dict[str, Waiting]:
    """Mark groups as stuck that waited all the time while a VM that fits them stood unclaimed and retired.

    ``joined``: when the VM was first seen in the pool.
    """
    why = "a VM that fits joined and retired without being claimed"
    after = dict(memory)
    for key in keys:
        waiting = after.get(key)
        if waiting is not None and waiting.stuck is None and waiting.since <= joined:
            after[key] = replace(waiting, stuck=why, stuck_since=now)
    return after


def mark_probed(memory: Mapping[str, Waiting], keys: Iterable[str], now: float) -> dict[str, Waiting]:
    """Return the memory after a probe was bought for these groups."""
    return {**memory, **{key: replace(memory[key], probed=now, new_reason=False) for key in keys if key in memory}}


FIRST_S = 900
LONGEST_S = 4 * 3600
"""The first and the longest backoff of a queue."""


def lengthen_backoff(backoff: Backoff | None, now: float) -> Backoff:
    """Return the backoff after one more VM retired unclaimed: 15 minutes, doubled each time, 4 hours at most.

    VMs that retire during a backoff were bought before it and do not lengthen it.
    """
    if backoff is not None and now < backoff.until:
        return backoff
    times = 1 if backoff is None else backoff.times + 1
    return Backoff(now + min(LONGEST_S, FIRST_S * 2 ** (times - 1)), times)
