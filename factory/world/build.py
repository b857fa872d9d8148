"""From readings to the World that a round is decided on. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from factory.model.memory import AuditResult, Memory
from factory.model.pool import PoolRows
from factory.model.source import Reading
from factory.model.vm_job import VMJobRows
from factory.world.tracking import track
from factory.world.vanished_jobs import count_vanished, update_vanished
from factory.world.world import World


@dataclass(frozen=True)
class WorldInputs:
    """All that a World is made from."""

    readings: Mapping[str, Reading]
    memory: Memory
    """As the last round left it."""
    acted: Mapping[str, float]
    """End of each queue's last act (epoch seconds)."""
    incarnation: str
    """Ours."""
    believed_after_s: float
    """A collector that has been up for less than this shows only part of the machines; so it does while it has been up
    for less than twice the longest update interval of a VM. Nothing is learned from it until then (rule 2)."""
    paused: Mapping[str, str] = field(default_factory=dict)
    """Queues that a person paused, and the reason."""
    faults: Mapping[str, str] = field(default_factory=dict)
    """Queues with a plugin that failed to name its sources, and the reason."""
    orphans: Mapping[str, int] = field(default_factory=dict)
    """Instances without a VM job, by queue, as the last audit counted them."""
    audit: AuditResult = field(default_factory=AuditResult)
    """The last audit that could see everything."""
    unasked: frozenset[str] = frozenset()
    """Queues whose cloud no audit has asked yet."""


def make_world(now: float, inputs: WorldInputs) -> World:
    """Return the World at ``now`` (epoch seconds); its memory has moved on by what the readings show."""
    memory, believed_s = inputs.memory, inputs.believed_after_s
    fresh = [reading for reading in inputs.readings.values() if reading.usable(now, 0) is None]
    pools = [(reading.rows, reading.started) for reading in fresh if isinstance(reading.rows, PoolRows)]
    schedds = [reading.rows for reading in fresh if isinstance(reading.rows, VMJobRows)]
    jobs = [job for rows in schedds for job in rows.jobs]
    fresh_s = {job.uuid: max(believed_s, 2 * job.update_s) for job in jobs}
    longest_s = max(fresh_s.values(), default=believed_s)
    if pools and schedds and all(rows.collector_up_s >= longest_s for rows, _ in pools):
        startd_ads = [(row, asked) for rows, asked in pools for row in rows.machines.values()]
        master_ads = [(row, asked) for rows, asked in pools for row in rows.masters.values()]
        startds = {row.vm for row, asked in startd_ads if asked - row.heard <= fresh_s.get(row.vm, believed_s)}
        masters = {row.vm for row, asked in master_ads if asked - row.heard <= fresh_s.get(row.vm, believed_s)}
        memory = track(memory, startds, {job.uuid for job in jobs}, now, masters)
    if schedds:
        memory = update_vanished(memory, jobs, inputs.audit, now)
    unowned = Counter(inputs.orphans) + Counter(count_vanished(memory, inputs.audit))
    usurper = newer_incarnation((job.incarnation for job in jobs), inputs.incarnation)
    return World(
        now=now,
        readings=inputs.readings,
        memory=memory,
        acted=inputs.acted,
        usurper=usurper,
        paused=inputs.paused,
        faults=inputs.faults,
        orphans=unowned,
        unasked=inputs.unasked,
    )


def newer_incarnation(seen: Iterable[str], ours: str) -> str | None:
    """The newest incarnation of this factory id that started after ours, if any (rule 10).

    An incarnation is ``<epoch of start> <host> <pid>``; a predecessor started earlier.
    """
    newest = max(seen, key=_start, default="")
    return str(newest) if _start(newest) > _start(ours) else None


def _start(incarnation: str) -> float:
    word = incarnation.split(" ", 1)[0]
    return float(word) if word.replace(".", "", 1).isdigit() else 0.0
