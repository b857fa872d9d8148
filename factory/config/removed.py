"""Add queues for VM jobs whose section was removed; they wind down like disabled queues. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from factory.config.queues import Config, Queue


def template_queue(config: Config) -> Queue | None:
    """Return the queue whose settings removed queues use, or None if no queue has VMs."""
    queues = (queue for queue in (*config.queues, *config.disabled_queues) if queue.batchsubmit.machines() is not None)
    return next(queues, None)


def add_removed_queues(config: Config, names: Iterable[str]) -> Config:
    """Return the configuration with a queue for each of these names, which only winds down and buys nothing.

    A job ad names the queue of its VM and carries the lease. Timeouts and the way to retire come from another queue
    that has VMs.
    """
    template = template_queue(config)
    if template is None:
        return replace(config, removed=())
    return replace(config, removed=tuple(_removed_queue(template, name, config) for name in sorted(names)))


def _removed_queue(template: Queue, name: str, config: Config) -> Queue:
    settings = template.settings.model_copy(update={"name": name, "enabled": False})
    batchstatus, batchsubmit = template.batchstatus, template.batchsubmit
    return Queue(
        settings=settings,
        batchstatus=type(batchstatus)(settings, batchstatus.settings, config.factory),
        sched=(),
        batchsubmit=type(batchsubmit)(settings, batchsubmit.settings, config.factory),
    )
