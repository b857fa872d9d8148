"""Batch status plugins: what a queue already has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from factory.model.memory import Memory
from factory.model.source import Readings, Source
from factory.model.status import BatchStatus, Unknown
from factory.plugin.base import Jobs, Plugin


class BatchStatusPlugin(Plugin, ABC):
    """Report the jobs or VMs of a queue. Does no I/O: it names sources and reads their rows."""

    category = "batchstatus"
    shows: ClassVar[Jobs | None] = None
    """The kind of jobs that it shows. If the submit plugin ``submits`` another kind, the queue would never see its jobs
    and submit without end; that is an error of the configuration. None: any submit plugin will do."""

    @abstractmethod
    def sources(self) -> tuple[Source, ...]:
        """Return the sources to poll."""

    @abstractmethod
    def read(self, readings: Readings, memory: Memory) -> BatchStatus | Unknown:
        """Return the jobs or VMs of this queue; pure. ``memory`` may delay a conclusion, never cause one (rule 1)."""
