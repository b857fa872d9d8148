"""Sched plugins: one step of a chain each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

from factory.fit.share import FitResult, Share
from factory.model.ask import Ask
from factory.model.ledger import Cost
from factory.model.source import Readings, Source
from factory.model.status import BatchStatus, SiteStatus, Unknown, WmsStatus
from factory.plugin.base import Plugin

T = TypeVar("T")


class Info(Enum):
    """Information that a sched plugin may need; a chain is blocked while one that it needs is unknown."""

    WMS = "WMS status"
    BATCH = "batch status"
    SITE = "site status"
    FACTORY_TOTAL = "factory total"
    DEMAND = "job groups"


@dataclass(frozen=True)
class View:
    """The view of a sched plugin on its queue. It may read only what it declared in ``needs``."""

    queue: str
    now: float
    wms_or_unknown: WmsStatus | Unknown
    batch_or_unknown: BatchStatus | Unknown
    site_or_unknown: SiteStatus | Unknown
    total_or_unknown: int | Unknown
    readings: Readings | None = None
    """Rows of the sources that the sched plugins name."""
    share_or_unknown: Share | Unknown = Unknown("the WMS status names no groups of jobs")
    owned: Mapping[Cost, int] = field(default_factory=dict)
    """Cost → number of VMs that may own an instance, in all queues with a known batch status."""
    bought: Callable[[Ask], tuple[Cost, ...]] = lambda ask: ()
    """Function from an ask to the costs of its purchases, after VMs are unretired; pure."""

    @property
    def wms(self) -> WmsStatus:
        """The work that waits."""
        return _known(self.wms_or_unknown)

    @property
    def batch(self) -> BatchStatus:
        """The VMs or jobs that the queue has."""
        return _known(self.batch_or_unknown)

    @property
    def site(self) -> SiteStatus:
        """The status of the site, by the WMS."""
        return _known(self.site_or_unknown)

    @property
    def factory_total(self) -> int:
        """Pending + running of all queues of the factory."""
        return _known(self.total_or_unknown)

    @property
    def demand(self) -> Share:
        """The job groups, and the jobs that are left for this queue."""
        return _known(self.share_or_unknown)

    def rows(self, source: Source) -> Any:
        """Return the rows of a source that the plugin named in ``sources``."""
        return _known(self._rows(source))

    def _rows(self, source: Source) -> Any:
        return Unknown(f"{source.key}: not read") if self.readings is None else self.readings.rows(source)

    def unknown(self, needs: frozenset[Info], sources: Iterable[Source] = ()) -> Unknown | None:
        """Return the first of ``needs``, then of ``sources``, that is unknown; None if all are known."""
        values = {
            Info.WMS: self.wms_or_unknown,
            Info.BATCH: self.batch_or_unknown,
            Info.SITE: self.site_or_unknown,
            Info.FACTORY_TOTAL: self.total_or_unknown,
            Info.DEMAND: self.share_or_unknown,
        }
        for info in Info:
            value = values[info]
            if info in needs and isinstance(value, Unknown):
                return Unknown(f"{info.value} unknown: {value.reason}")
        for source in sources:
            rows = self._rows(source)
            if isinstance(rows, Unknown):
                return rows
        return None


def _known(value: T | Unknown) -> T:
    if isinstance(value, Unknown):
        raise LookupError(f"a plugin read what it did not declare in needs: {value.reason}")
    return value


@dataclass(frozen=True, slots=True)
class Step:
    """The answer of a plain sched plugin: n and the reason."""

    n: int
    reason: str


@dataclass(frozen=True, slots=True)
class AskStep:
    """The answer of a sched plugin that sees the whole ask."""

    ask: Ask
    reason: str
    verdict: FitResult | None = field(default=None, repr=False)
    """The waiting jobs that the machines are for, where that is known."""


class SchedPlugin(Plugin, ABC):
    """One step of a chain, in numbers: n in, n out."""

    category = "sched"
    needs: frozenset[Info] = frozenset()
    """Info without which the chain is blocked; where it follows from the settings, set it in ``__init__``."""
    whole_factory: bool = False
    """Every queue is polled for its decision, also those that are not due."""

    def machine_attributes(self) -> Mapping[str, str]:
        """Return ClassAd attributes of the machines that the queue buys, for plugins that match jobs with them."""
        return {}

    def sources(self) -> tuple[Source, ...]:
        """Return the sources that it reads with ``view.rows``; the chain is blocked while one is unknown."""
        return ()

    @abstractmethod
    def step(self, n: int, view: View) -> Step:
        """Return n for the next plugin; pure. Below zero: retire that many."""


class AskPlugin(SchedPlugin):
    """One step of a chain that sees and returns the whole ask: shapes and victims too."""

    def step(self, n: int, view: View) -> Step:
        """Answer with n alone."""
        answer = self.step_ask(Ask(n), view)
        return Step(answer.ask.n, answer.reason)

    @abstractmethod
    def step_ask(self, ask: Ask, view: View) -> AskStep:
        """Return the ask for the next plugin; pure."""
