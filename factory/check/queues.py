"""What queues are to each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from factory.config.queues import Queue
from factory.model.source import REREAD_PART, Source
from factory.plugin.batchstatus import BatchStatusPlugin
from factory.plugin.finding import Finding
from factory.plugin.sched import Info
from factory.plugin.wmsstatus import WmsStatusPlugin
from factory.process.faults import FAULTS


def in_groups(queue: Queue) -> bool:
    """Whether its chain looks at groups of jobs: such queues share them."""
    return any(Info.DEMAND in plugin.needs for plugin in queue.sched)


def check_readings(queues: Sequence[Queue]) -> Iterator[Finding]:
    """Readings that would be too old before they are read again: they are read again before that."""
    for queue in queues:
        for plugin in (queue.wmsstatus, queue.batchstatus):
            longest = None if plugin is None else _too_long(plugin)
            if plugin is not None and longest is not None:
                text = (
                    f"{longest.interval_s:.0f} s is longer than maxage, {longest.maxage_s:.0f} s, when a reading is "
                    f"unknown: it is read anew after {longest.maxage_s * REREAD_PART:.0f} s; make one shorter or "
                    "the other longer"
                )
                yield Finding("warning", text, queue.name, plugin.key("interval"))


def _too_long(plugin: WmsStatusPlugin | BatchStatusPlugin) -> Source | None:
    try:
        return next((source for source in plugin.sources() if source.interval_s > source.maxage_s), None)
    except FAULTS:
        return None  # the rehearsal says so


def check_queues(queues: Sequence[Queue]) -> Iterator[Finding]:
    """Queues that turn the same work into machines twice, and those whose machines nothing bounds."""
    for queue in queues:
        machines = queue.batchsubmit.machines()
        if machines is not None and machines.maxinstances is None:
            text = (
                "bounds no more than the chain says: what retires does not count there, and may live for as long as "
                f"its jobs last. Set {queue.batchsubmit.key('maxinstances')} to the most that may ever live at once"
            )
            yield Finding("warning", text, queue.name, queue.batchsubmit.key("maxinstances"))
    by_work: dict[object, list[Queue]] = defaultdict(list)
    for queue in queues:
        if queue.wmsstatus is not None and queue.batchsubmit.machines() is not None:
            plugin = queue.wmsstatus
            work = plugin.jobs() or (type(plugin), queue.settings.wmsqueue, plugin.settings)
            by_work[work].append(queue)
    for same in by_work.values():
        for queue in same[1:]:
            if in_groups(same[0]) and in_groups(queue):
                continue
            text = (
                f"reads the same work as [{same[0].name}], and each buys for all of it; give each a wmsqueue of its own"
            )
            yield Finding("warning", text, queue.name, "wmsqueue")
