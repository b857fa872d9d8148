"""Source: how the factory's jobs of the last hours ended, counted for each queue that wants to know."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from factory.condor.daemons import ScheddAddress, quoted
from factory.source import Source

_NEWEST = 20_000
"""Jobs that are looked at, the newest; a ratio of more says the same."""


@dataclass(frozen=True, slots=True)
class Window:
    """Jobs of one queue that started in the last ``span_s``; those that ran for less than ``short_s`` are short."""

    queue: str
    span_s: int
    short_s: int


@dataclass(frozen=True, slots=True)
class RecentJobs:
    """How many jobs have ended, and how many of these were short."""

    total: int = 0
    short: int = 0


@dataclass(frozen=True, kw_only=True)
class HistorySource(Source):
    """Jobs with this owner and factory id that have left the queue of a schedd."""

    schedd: ScheddAddress
    owner: str
    factory_id: str
    windows: frozenset[Window]

    @property
    def key(self) -> str:
        return f"history of {self.schedd}"

    @property
    def address(self) -> str:
        return str(self.schedd)

    def merge(self, other: HistorySource) -> HistorySource:  # type: ignore[override]
        """One poll for all: the windows of both."""
        return replace(super().merge(other), windows=self.windows | other.windows)

    def fetch(self) -> dict[Window, RecentJobs]:
        """One pass over the history, newest first, back to the start of the longest window."""
        import classad2

        now = time.time()
        start = int(now) - max((window.span_s for window in self.windows), default=0)
        ours = f"Owner == {quoted(self.owner)} && APFFactory == {quoted(self.factory_id)}"
        ads = self.schedd.open().history(
            constraint=f"{ours} && JobStartDate > {start}",
            projection=["MATCH_APF_QUEUE", "JobStartDate", "RemoteWallClockTime"],
            match=_NEWEST,
            since=classad2.ExprTree(f"{ours} && EnteredCurrentStatus < {start}"),
        )
        return count(ads, self.windows, now)


def count(ads: Iterable[Mapping[str, Any]], windows: Iterable[Window], now: float) -> dict[Window, RecentJobs]:
    """Jobs in each window; pure."""
    jobs: dict[str, list[tuple[float, float | None]]] = {}
    for ad in ads:
        start, wall_s = ad.get("JobStartDate"), ad.get("RemoteWallClockTime")
        if isinstance(start, int | float):
            ran_s = float(wall_s) if isinstance(wall_s, int | float) else None
            jobs.setdefault(str(ad.get("MATCH_APF_QUEUE")), []).append((start, ran_s))
    counts = {}
    for window in windows:
        ran = [ran_s for start, ran_s in jobs.get(window.queue, ()) if start > now - window.span_s]
        counts[window] = RecentJobs(len(ran), sum(ran_s is not None and ran_s < window.short_s for ran_s in ran))
    return counts
