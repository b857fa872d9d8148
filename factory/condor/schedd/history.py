"""Source: how the factory's jobs of the last hours ended, counted for each queue that wants to know."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from factory.condor.classad.literals import same_text
from factory.condor.classad.values import value
from factory.condor.connect import open_schedd
from factory.model.address import ScheddAddress
from factory.model.source import Source

_NEWEST = 20_000
"""Jobs that are looked at, the newest; a ratio of more says the same."""


@dataclass(frozen=True, slots=True)
class HistoryWindow:
    """Jobs of a queue that started in the last ``span_s``; short are those that ran less than ``short_s``."""

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
    windows: frozenset[HistoryWindow]

    @property
    def key(self) -> str:
        return f"history of {self.schedd}"

    @property
    def address(self) -> str:
        return self.key  # a pass over a long history takes time, and must not delay the queries of the queue

    def merge(self, other: HistorySource) -> HistorySource:
        """One poll for all: the windows of both."""
        return replace(super().merge(other), windows=self.windows | other.windows)

    def fetch(self) -> dict[HistoryWindow, RecentJobs]:
        """One pass over the history, newest first, back to the start of the longest window."""
        import classad2

        now = time.time()
        start = int(now) - max((window.span_s for window in self.windows), default=0)
        ours = f"{same_text('Owner', self.owner)} && {same_text('APFFactory', self.factory_id)}"
        ads = open_schedd(self.schedd).history(
            constraint=f"{ours} && JobStartDate > {start}",
            projection=["MATCH_APF_QUEUE", "JobStartDate", "RemoteWallClockTime"],
            match=_NEWEST,
            since=classad2.ExprTree(f"{ours} && EnteredCurrentStatus < {start}"),
        )
        runs: dict[str, list[JobRun]] = {}
        for ad in ads:
            runs.setdefault(str(value(ad, "MATCH_APF_QUEUE")), []).append(job_run(ad))
        return {window: recent_jobs(runs.get(window.queue, ()), window, now) for window in self.windows}


@dataclass(frozen=True, slots=True)
class JobRun:
    """A job that has ended: when it first started (epoch), and how long it ran in all."""

    started: float
    ran_s: float


def job_run(ad: Mapping[str, Any]) -> JobRun:
    """A row from a job ad; pure. A job that does not say how long it ran is not taken for a short one."""
    return JobRun(
        started=float(ad.get("JobStartDate", 0)),
        ran_s=float(ad.get("RemoteWallClockTime", math.inf)),
    )


def recent_jobs(runs: Iterable[JobRun], window: HistoryWindow, now: float) -> RecentJobs:
    """Jobs of the window's queue that are inside it; pure."""
    inside = [run for run in runs if run.started > now - window.span_s]
    return RecentJobs(len(inside), sum(run.ran_s < window.short_s for run in inside))
