"""VM jobs whose section has gone from the configuration: they are tended like those of a disabled queue. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from factory.config.queues import Config, Queue


def template_queue(config: Config) -> Queue | None:
    """The queue whose settings serve a queue that is not configured any more; None: no queue has machines."""
    own = (queue for queue in (*config.queues, *config.disabled_queues) if queue.batchsubmit.machines() is not None)
    return next(own, None)


def add_removed_queues(config: Config, names: Iterable[str]) -> Config:
    """The configuration, with queues of these names that are only tended: nothing is ever bought for them.

    A queue's VMs are known by its name on the job ads. How long they may take, and how they are asked to leave, is what
    another queue with machines says; their leases are on the job ads.
    """
    like = template_queue(config)
    if like is None:
        return replace(config, removed=())
    return replace(config, removed=tuple(_named(like, name, config) for name in sorted(names)))


def _named(like: Queue, name: str, config: Config) -> Queue:
    settings = like.settings.model_copy(update={"name": name, "enabled": False})
    batchstatus, batchsubmit = like.batchstatus, like.batchsubmit
    return Queue(
        settings=settings,
        batchstatus=type(batchstatus)(settings, batchstatus.settings, config.factory),
        sched=(),
        batchsubmit=type(batchsubmit)(settings, batchsubmit.settings, config.factory),
    )
