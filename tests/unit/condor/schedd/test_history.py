"""Counts of recently ended jobs."""

import math

from factory.condor.schedd.history import HistorySource, HistoryWindow, JobRun, RecentJobs, job_run, recent_jobs
from factory.model.address import ScheddAddress

NOW = 1_000_000.0


def source(*windows: HistoryWindow) -> HistorySource:
    return HistorySource(schedd=ScheddAddress(), owner="apf", factory_id="f", windows=frozenset(windows))


def test_counts_jobs_that_started_inside_the_window() -> None:
    runs = [JobRun(NOW - 3600, 1), JobRun(NOW - 3599, 1), JobRun(NOW - 10, 9.9), JobRun(NOW - 20, 10)]
    assert recent_jobs(runs, HistoryWindow("Q", 3600, 10), NOW) == RecentJobs(total=3, short=2)
    assert recent_jobs([], HistoryWindow("Q", 3600, 10), NOW) == RecentJobs()


def test_job_without_a_run_time_is_not_short() -> None:
    run = job_run({"JobStartDate": NOW})
    assert run == JobRun(NOW, math.inf)
    assert recent_jobs([run], HistoryWindow("Q", 60, 10), NOW + 1) == RecentJobs(total=1, short=0)
    assert job_run({"JobStartDate": 5, "RemoteWallClockTime": 0.0}) == JobRun(5, 0)


def test_queues_share_one_pass_over_the_history() -> None:
    first, second = HistoryWindow("A", 60, 10), HistoryWindow("B", 3600, 10)
    assert source(first).merge(source(second)) == source(first, second)
