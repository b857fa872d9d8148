"""Batch status plugins: what a queue already has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from factory.model.memory import Memory
from factory.model.source import Readings, Source
from factory.model.status import BatchStatus, Unknown
from factory.plugin.base import Jobs, Plugin


class BatchStatusPlugin(Plugin, ABC):
    """Says what a queue already has. Does no I/O: it names sources and reads what they brought."""

    category = "batchstatus"
    shows: ClassVar[Jobs | None] = None
    """The jobs that it shows. A queue whose submit plugin ``submits`` others would never see what it has, and submit
    without end: that is an error of the configuration. None: it goes with every submit plugin."""

    @abstractmethod
    def sources(self) -> tuple[Source, ...]:
        """What to poll."""

    @abstractmethod
    def read(self, readings: Readings, memory: Memory) -> BatchStatus | Unknown:
        """Jobs or VMs of this queue; pure. ``memory`` may delay a conclusion, never cause one (rule 1)."""
