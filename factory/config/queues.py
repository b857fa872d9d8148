"""The valid configuration: the factory's settings, and queues with their plugins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from factory.config.problems import Problem
from factory.settings.factory import FactorySettings
from factory.settings.queue import QueueSettings

if TYPE_CHECKING:
    from factory.plugin.batchstatus import BatchStatusPlugin
    from factory.plugin.batchsubmit import BatchSubmitPlugin
    from factory.plugin.monitor import MonitorPlugin
    from factory.plugin.sched import SchedPlugin
    from factory.plugin.wmsstatus import WmsStatusPlugin


@dataclass(frozen=True)
class Queue:
    """A configured queue: its settings and its plugins."""

    settings: QueueSettings
    batchstatus: BatchStatusPlugin
    sched: tuple[SchedPlugin, ...]
    batchsubmit: BatchSubmitPlugin
    wmsstatus: WmsStatusPlugin | None = None
    monitors: tuple[MonitorPlugin, ...] = ()
    text: tuple[tuple[str, str], ...] = ()
    """Keys and values after interpolation. A reload keeps a queue whose text is equal."""

    @property
    def name(self) -> str:
        """Name of the section."""
        return self.settings.name


@dataclass(frozen=True)
class Config:
    """A valid configuration."""

    factory: FactorySettings
    queues: tuple[Queue, ...]
    """Enabled queues, ordered by priority and then as in the file."""
    disabled: tuple[str, ...] = ()
    """Names of the queues that do not run, including those with errors."""
    disabled_queues: tuple[Queue, ...] = ()
    """Disabled queues without errors."""
    warnings: tuple[Problem, ...] = ()
    removed: tuple[Queue, ...] = ()
    """Queues that have VMs but are no longer configured (``factory.config.removed``)."""

    @cached_property
    def winding_down(self) -> tuple[Queue, ...]:
        """Disabled and removed queues that may still have VMs. These run to their end; the queues buy nothing."""
        disabled = tuple(
            replace(queue, wmsstatus=None, sched=(), monitors=())
            for queue in self.disabled_queues
            if queue.batchsubmit.machines() is not None
        )
        return (*disabled, *self.removed)

    @property
    def all_queues(self) -> tuple[Queue, ...]:
        """Enabled queues, followed by those that are winding down."""
        return (*self.queues, *self.winding_down)

    def queue(self, name: str) -> Queue | None:
        """Return the configured queue of that name, enabled or not."""
        return next((queue for queue in (*self.queues, *self.disabled_queues) if queue.name == name), None)
