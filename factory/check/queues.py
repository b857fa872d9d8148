"""Check queues against each other: poll intervals, caps and shared work."""

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


def uses_job_groups(queue: Queue) -> bool:
    """True if the queue's chain uses job groups; such queues share the groups of one wmsqueue."""
    return any(Info.DEMAND in plugin.needs for plugin in queue.sched)


def check_readings(queues: Sequence[Queue]) -> Iterator[Finding]:
    """Yield warnings for poll intervals longer than maxage. Such sources are polled more often than that."""
    for queue in queues:
        for plugin in (queue.wmsstatus, queue.batchstatus):
            source = None if plugin is None else _source_too_slow(plugin)
            if plugin is not None and source is not None:
                text = (
                    f"{source.interval_s:.0f} s is longer than maxage ({source.maxage_s:.0f} s), so apf polls after "
                    f"{source.maxage_s * REREAD_PART:.0f} s instead; lower the interval or raise maxage"
                )
                yield Finding("warning", text, queue.name, plugin.key("interval"))


def _source_too_slow(plugin: WmsStatusPlugin | BatchStatusPlugin) -> Source | None:
    try:
        return next((source for source in plugin.sources() if source.interval_s > source.maxage_s), None)
    except FAULTS:
        return None  # the dry-run round reports it


def check_queues(queues: Sequence[Queue]) -> Iterator[Finding]:
    """Yield warnings for queues without maxinstances, and for queues that buy for the same work."""
    for queue in queues:
        machines = queue.batchsubmit.machines()
        if machines is not None and machines.maxinstances is None:
            text = (
                "is not set, and the chain's caps do not count retiring VMs, which live as long as their jobs; set "
                f"{queue.batchsubmit.key('maxinstances')} to the most VM jobs that may exist at once"
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
            if uses_job_groups(same[0]) and uses_job_groups(queue):
                continue
            text = (
                f"serves the same jobs as [{same[0].name}], and each queue buys VMs for all of them; give each its own "
                "wmsqueue, or use Fit in both chains to share the jobs"
            )
            yield Finding("warning", text, queue.name, "wmsqueue")
