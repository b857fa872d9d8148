"""Source: the factory's recently ended jobs, counted by queue and time window."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from factory.condor.classad.literals import same_text
from factory.condor.classad.values import number, value
from factory.condor.connect import open_schedd
from factory.model.address import ScheddAddress
from factory.model.source import Source

_NEWEST = 20_000
"""Jobs read at most, the newest first; more do not change a ratio."""


@dataclass(frozen=True, slots=True)
class HistoryWindow:
    """Jobs of a queue that started in the last ``span_s``; a short one ran less than ``short_s``."""

    queue: str
    span_s: int
    short_s: int


@dataclass(frozen=True, slots=True)
class RecentJobs:
    """Numbers of ended jobs: all, and the short ones."""

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
        return self.key  # a pass over a long history takes time and must not delay queries of the job queue

    def merge(self, other: HistorySource) -> HistorySource:
        """Return one source with the windows of both."""
        return replace(super().merge(other), windows=self.windows | other.windows)

    def fetch(self) -> dict[HistoryWindow, RecentJobs]:
        """Read the history once, newest first, back to the start of the longest window."""
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
    """An ended job: time of its first start (epoch), and its total run time."""

    started: float
    ran_s: float


def job_run(ad: Mapping[str, Any]) -> JobRun:
    """Return a row from a job ad; pure. A job without a run time does not count as short."""
    ran_s = number(value(ad, "RemoteWallClockTime"))
    return JobRun(
        started=number(value(ad, "JobStartDate")) or 0.0,
        ran_s=math.inf if ran_s is None else ran_s,
    )


def recent_jobs(runs: Iterable[JobRun], window: HistoryWindow, now: float) -> RecentJobs:
    """Count the jobs inside the window; pure."""
    inside = [run for run in runs if run.started > now - window.span_s]
    return RecentJobs(len(inside), sum(run.ran_s < window.short_s for run in inside))
