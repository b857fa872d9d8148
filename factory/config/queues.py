"""The validated configuration: queues with their plugins, and the factory."""

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
    """A queue as configured: its settings and its plugins."""

    settings: QueueSettings
    batchstatus: BatchStatusPlugin
    sched: tuple[SchedPlugin, ...]
    batchsubmit: BatchSubmitPlugin
    wmsstatus: WmsStatusPlugin | None = None
    monitors: tuple[MonitorPlugin, ...] = ()
    text: tuple[tuple[str, str], ...] = ()
    """The section after interpolation: equal text, unchanged queue."""

    @property
    def name(self) -> str:
        """Name of the section."""
        return self.settings.name


@dataclass(frozen=True)
class Config:
    """A valid configuration."""

    factory: FactorySettings
    queues: tuple[Queue, ...]
    """Enabled queues, in the order of priority, then of the file."""
    disabled: tuple[str, ...] = ()
    """Names of the queues that do not run."""
    disabled_queues: tuple[Queue, ...] = ()
    """Those of them with which nothing is wrong."""
    warnings: tuple[Problem, ...] = ()
    removed: tuple[Queue, ...] = ()
    """Queues that are not configured any more and have VMs (``factory.adopt``)."""

    @cached_property
    def winding_down(self) -> tuple[Queue, ...]:
        """Queues that do not run and may have machines from before: these are seen to their end, and none is bought."""
        stopped = tuple(
            replace(queue, wmsstatus=None, sched=(), monitors=())
            for queue in self.disabled_queues
            if queue.batchsubmit.machines() is not None
        )
        return (*stopped, *self.removed)

    @property
    def all_queues(self) -> tuple[Queue, ...]:
        """Queues that run, and those that are only tended."""
        return (*self.queues, *self.winding_down)

    def queue(self, name: str) -> Queue | None:
        """The queue of that name, whether it runs or not."""
        return next((queue for queue in (*self.queues, *self.disabled_queues) if queue.name == name), None)
