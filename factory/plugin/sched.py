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
    """What a sched plugin sees. Only what the plugin declared in ``needs`` may be read."""

    queue: str
    now: float
    wms_or_unknown: WmsStatus | Unknown
    batch_or_unknown: BatchStatus | Unknown
    site_or_unknown: SiteStatus | Unknown
    total_or_unknown: int | Unknown
    readings: Readings | None = None
    """What the sources of the sched plugins themselves brought."""
    share_or_unknown: Share | Unknown = Unknown("the WMS status names no groups of jobs")
    owned: Mapping[Cost, int] = field(default_factory=dict)
    """How many machines that may own an instance there are of each cost, in all queues whose batch status is known."""
    bought: Callable[[Ask], tuple[Cost, ...]] = lambda ask: ()
    """What would be bought for an ask, after the machines that are taken back; pure."""

    @property
    def wms(self) -> WmsStatus:
        """The work that waits."""
        return _known(self.wms_or_unknown)

    @property
    def batch(self) -> BatchStatus:
        """What the queue already has."""
        return _known(self.batch_or_unknown)

    @property
    def site(self) -> SiteStatus:
        """What the WMS says of the site."""
        return _known(self.site_or_unknown)

    @property
    def factory_total(self) -> int:
        """Pending + running of all queues of the factory."""
        return _known(self.total_or_unknown)

    @property
    def demand(self) -> Share:
        """The job groups, and what of them is left for this queue."""
        return _known(self.share_or_unknown)

    def rows(self, source: Source) -> Any:
        """Rows of a source that the plugin named in its ``sources``."""
        return _known(self._rows(source))

    def _rows(self, source: Source) -> Any:
        return Unknown(f"{source.key}: not read") if self.readings is None else self.readings.rows(source)

    def unknown(self, needs: frozenset[Info], sources: Iterable[Source] = ()) -> Unknown | None:
        """The first of ``needs``, then of ``sources``, that is unknown, if any."""
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
    """What a plain sched plugin answers: n, and why."""

    n: int
    reason: str


@dataclass(frozen=True, slots=True)
class AskStep:
    """What a sched plugin that sees the whole ask answers."""

    ask: Ask
    reason: str
    verdict: FitResult | None = field(default=None, repr=False)
    """Which waiting jobs the machines are for, where that is known."""


class SchedPlugin(Plugin, ABC):
    """One step of a chain, in numbers: n in, n out."""

    category = "sched"
    needs: frozenset[Info] = frozenset()
    """Info without which the chain is blocked; where it follows from the settings, set it in ``__init__``."""
    whole_factory: bool = False
    """Every queue is polled for its decision, also those that are not due."""

    def machine_attributes(self) -> Mapping[str, str]:
        """ClassAd attributes of the machines that the queue buys, for plugins that match jobs against them."""
        return {}

    def sources(self) -> tuple[Source, ...]:
        """What it polls for itself and reads with ``view.rows``; if one is unknown the chain is blocked."""
        return ()

    @abstractmethod
    def step(self, n: int, view: View) -> Step:
        """N for the next plugin; pure. Below zero: retire that many."""


class AskPlugin(SchedPlugin):
    """One step of a chain that sees and returns the whole ask: shapes and victims too."""

    def step(self, n: int, view: View) -> Step:
        """The same in numbers."""
        answer = self.step_ask(Ask(n), view)
        return Step(answer.ask.n, answer.reason)

    @abstractmethod
    def step_ask(self, ask: Ask, view: View) -> AskStep:
        """The ask for the next plugin; pure."""
