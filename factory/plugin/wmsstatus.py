"""WMS status plugins: the work that a queue serves."""

from __future__ import annotations

from abc import ABC, abstractmethod

from factory.model.address import ScheddAddress
from factory.model.demand import Template
from factory.model.source import Readings, Source
from factory.model.status import SiteStatus, Unknown, WmsStatus
from factory.plugin.base import Plugin


class WmsStatusPlugin(Plugin, ABC):
    """Says what work waits. Does no I/O: it names sources and reads what they brought."""

    category = "wmsstatus"
    templates: tuple[Template, ...] | None = None
    """The machines that the queue may buy, if its chain looks at groups of jobs: then ``demand`` is wanted of
    ``read``. None: it does not. Set when the configuration is read."""

    @abstractmethod
    def sources(self) -> tuple[Source, ...]:
        """What to poll."""

    @abstractmethod
    def read(self, readings: Readings) -> WmsStatus | Unknown:
        """The work of this queue; pure."""

    def shares(self) -> frozenset[str]:
        """Names of the work that it counts: queues with one in common share it, in the order of their priority.

        By default the keys of its sources; otherwise where one source brings the work of many queues.
        """
        return frozenset(source.key for source in self.sources())

    def jobs(self) -> tuple[tuple[ScheddAddress, ...], str] | None:
        """Schedds whose jobs are its work, and the ClassAd expression that selects them. None: it reads no schedd."""
        return None

    def read_site(self, readings: Readings) -> SiteStatus | Unknown:
        """Status of the site; pure."""
        return Unknown(f"{self.name} knows no site status")
