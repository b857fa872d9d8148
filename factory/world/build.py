"""From readings to the World that a round is decided on. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from factory.model.memory import AuditResult, Memory
from factory.model.pool import PoolRows
from factory.model.source import Reading
from factory.model.vm_job import VMJobRows
from factory.world.tracking import track
from factory.world.vanished_jobs import count_vanished, update_vanished
from factory.world.world import World


def make_world(
    now: float,
    readings: Mapping[str, Reading],
    memory: Memory,
    acted: Mapping[str, float],
    incarnation: str,
    believed_after_s: float,
    paused: Mapping[str, str] = MappingProxyType({}),
    faults: Mapping[str, str] = MappingProxyType({}),
    orphans: Mapping[str, int] = MappingProxyType({}),
    audit: AuditResult = AuditResult(),  # noqa: B008 - it is immutable
    unasked: frozenset[str] = frozenset(),
) -> World:
    """The World at ``now``; its memory has been moved on by what the readings show.

    ``believed_after_s``: a collector that has been up for less than this, or less than the longest time between two
    updates of a VM twice over, shows only a part of the machines, from which nothing is learned; a machine that the
    collector had not heard of for longer than its own time is not there.
    """
    fresh = [reading for reading in readings.values() if reading.usable(now, 0) is None]
    pools = [(reading.rows, reading.started) for reading in fresh if isinstance(reading.rows, PoolRows)]
    schedds = [reading.rows for reading in fresh if isinstance(reading.rows, VMJobRows)]
    jobs = [job for rows in schedds for job in rows.jobs]
    fresh_s = {job.uuid: max(believed_after_s, 2 * job.update_s) for job in jobs}
    longest_s = max(fresh_s.values(), default=believed_after_s)
    if pools and schedds and all(rows.collector_up_s >= longest_s for rows, _ in pools):
        machines = [(row, asked) for rows, asked in pools for row in rows.machines.values()]
        heard = {row.vm for row, asked in machines if asked - row.heard <= fresh_s.get(row.vm, believed_after_s)}
        its_masters = [(row, asked) for rows, asked in pools for row in rows.masters.values()]
        masters = {row.vm for row, asked in its_masters if asked - row.heard <= fresh_s.get(row.vm, believed_after_s)}
        memory = track(memory, heard, {job.uuid for job in jobs}, now, masters)
    if schedds:
        memory = update_vanished(memory, jobs, audit, now)
    unowned = Counter(orphans) + Counter(count_vanished(memory, audit))
    usurper = newer_incarnation((job.incarnation for job in jobs), incarnation)
    return World(now, readings, memory, acted, usurper, paused, faults, unowned, unasked)


def newer_incarnation(seen: Iterable[str], ours: str) -> str | None:
    """The newest incarnation of this factory id that started after ours, if any (rule 10).

    An incarnation is ``<epoch of start> <host> <pid>``; a predecessor started earlier.
    """
    newest = max(seen, key=_start, default="")
    return str(newest) if _start(newest) > _start(ours) else None


def _start(incarnation: str) -> float:
    word = incarnation.split(" ", 1)[0]
    return float(word) if word.replace(".", "", 1).isdigit() else 0.0
