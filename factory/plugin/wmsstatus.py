"""WMS status plugins: the work that a queue serves."""

from __future__ import annotations

from abc import ABC, abstractmethod

from factory.model.address import ScheddAddress
from factory.model.demand import Template
from factory.model.source import Readings, Source
from factory.model.status import SiteStatus, Unknown, WmsStatus
from factory.plugin.base import Plugin


class WmsStatusPlugin(Plugin, ABC):
    """Report the work that a queue serves. Does no I/O: it names sources and reads their rows."""

    category = "wmsstatus"
    templates: tuple[Template, ...] | None = None
    """The machines that the queue may buy, if its chain looks at job groups: then ``read`` returns ``demand`` too.
    None: the chain counts jobs only. Set when the configuration is read."""

    @abstractmethod
    def sources(self) -> tuple[Source, ...]:
        """Return the sources to poll."""

    @abstractmethod
    def read(self, readings: Readings) -> WmsStatus | Unknown:
        """Return the work of this queue; pure."""

    def shares(self) -> frozenset[str]:
        """Return names of the work that it counts. Queues with a name in common share the work, by priority.

        By default these are the keys of its sources. Override it if one source brings the work of many queues.
        """
        return frozenset(source.key for source in self.sources())

    def jobs(self) -> tuple[tuple[ScheddAddress, ...], str] | None:
        """Return the schedds with its jobs, and the expression that selects these jobs. None: it reads no schedd."""
        return None

    def read_site(self, readings: Readings) -> SiteStatus | Unknown:
        """Return the status of the site; pure."""
        return Unknown(f"{self.name} reads no site status")
