"""What queues are to each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from factory.check.finding import Finding
from factory.config.settings import Queue
from factory.plugin import Info


def in_groups(queue: Queue) -> bool:
    """Whether its chain looks at groups of jobs: such queues share them."""
    return any(Info.DEMAND in plugin.needs for plugin in queue.sched)


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
            by_work[type(plugin), queue.settings.wmsqueue, plugin.settings].append(queue)
    for same in by_work.values():
        for queue in same[1:]:
            if in_groups(same[0]) and in_groups(queue):
                continue
            text = (
                f"reads the same work as [{same[0].name}], and each buys for all of it; give each a wmsqueue of its own"
            )
            yield Finding("warning", text, queue.name, "wmsqueue")
