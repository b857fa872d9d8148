"""Build the World that a round is decided on from readings. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from factory.model.memory import AuditResult, Memory
from factory.model.pool import PoolRows
from factory.model.source import Reading
from factory.model.vm import TERMINATED
from factory.model.vm_job import VMJobRow, VMJobRows
from factory.world.tracking import track
from factory.world.vanished_jobs import count_vanished, update_vanished
from factory.world.world import World


@dataclass(frozen=True)
class WorldInputs:
    """Data that a World is made from."""

    readings: Mapping[str, Reading]
    memory: Memory
    """Memory at the end of the last round."""
    acted: Mapping[str, float]
    """End of each queue's last act (epoch seconds)."""
    incarnation: str
    """Incarnation of this factory."""
    believed_after_s: float
    """A collector that has been up for less than this shows only a part of the pool, and its data are not used (rule
    2). The same holds for less than twice the longest update interval of a VM."""
    paused: Mapping[str, str] = field(default_factory=dict)
    """Queues that a person paused, and the reason."""
    faults: Mapping[str, str] = field(default_factory=dict)
    """Queues with a plugin that failed to name its sources, and the reason."""
    orphans: Mapping[str, int] = field(default_factory=dict)
    """Instances without a VM job, by queue, by the last audit."""
    audit: AuditResult = field(default_factory=AuditResult)
    """Results of the last audits."""
    unaudited: frozenset[str] = frozenset()
    """Queues whose cloud no audit has queried yet."""


def make_world(now: float, inputs: WorldInputs) -> World:
    """Return the World at ``now`` (epoch seconds), with the memory updated by these readings."""
    memory = inputs.memory
    fresh = [reading for reading in inputs.readings.values() if reading.usable(now, 0) is None]
    pools = [(reading.rows, reading.started) for reading in fresh if isinstance(reading.rows, PoolRows)]
    schedds = [reading.rows for reading in fresh if isinstance(reading.rows, VMJobRows)]
    jobs = [job for rows in schedds for job in rows.jobs]
    if pools and schedds:
        memory = _track_pools(memory, pools, jobs, inputs.believed_after_s, now)
    if schedds:
        memory = update_vanished(memory, jobs, inputs.audit, now)
    unowned = Counter(inputs.orphans) + Counter(count_vanished(memory, inputs.audit, expected=False))
    newer_factory = newer_incarnation((job.incarnation for job in jobs), inputs.incarnation)
    return World(
        now=now,
        readings=inputs.readings,
        memory=memory,
        acted=inputs.acted,
        newer_factory=newer_factory,
        paused=inputs.paused,
        faults=inputs.faults,
        orphans=unowned,
        ending=count_vanished(memory, inputs.audit, expected=True),
        unaudited=inputs.unaudited,
    )


def _track_pools(
    memory: Memory, pools: Sequence[tuple[PoolRows, float]], jobs: Collection[VMJobRow], believed_s: float, now: float
) -> Memory:
    """Return the memory after a poll of collectors, each with the epoch of its poll.

    The memory stays as it is while a collector is not believed yet.
    """
    fresh_s = {job.uuid: max(believed_s, 2 * job.update_s) for job in jobs}
    longest_s = max(fresh_s.values(), default=believed_s)
    if any(rows.collector_up_s < longest_s for rows, _ in pools):
        return memory
    startds, masters = set(), set()
    empty = {job.uuid for job in jobs if (job.grid_status or "").lower() in TERMINATED}
    for rows, polled in pools:
        startds |= {row.vm for row in rows.machines.values() if polled - row.heard <= fresh_s.get(row.vm, believed_s)}
        fresh = [row for row in rows.masters.values() if polled - row.heard <= fresh_s.get(row.vm, believed_s)]
        masters |= {row.vm for row in fresh}
        empty |= {row.vm for row in fresh if not row.startd_runs}
    return track(memory, startds, fresh_s.keys(), now, masters, empty)


def newer_incarnation(seen: Iterable[str], ours: str) -> str | None:
    """Return the newest incarnation of this factory id that started after ours, if any (rule 10).

    An incarnation is ``<epoch of start> <host> <pid>``; a predecessor started earlier.
    """
    newest = max(seen, key=_start, default="")
    return str(newest) if _start(newest) > _start(ours) else None


def _start(incarnation: str) -> float:
    word = incarnation.split(" ", 1)[0]
    return float(word) if word.replace(".", "", 1).isdigit() else 0.0
