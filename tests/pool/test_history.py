"""Job history of a real schedd, as Throttle reads it."""

import getpass
import pickle
import subprocess
import sys
import uuid
from typing import Any

from factory.condor.schedd.history import HistorySource, HistoryWindow, RecentJobs
from factory.model.address import ScheddAddress
from tests.rig.pool import Pool
from tests.rig.wait import until


def fetched(pool: Pool, source: HistorySource) -> Any:
    """Return the rows that a separate process fetches, as a worker does."""
    code = "import pickle, sys; pickle.dump(pickle.load(sys.stdin.buffer).fetch(), sys.stdout.buffer)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=pool.env, input=pickle.dumps(source), stdout=subprocess.PIPE, check=True
    )
    return pickle.loads(done.stdout)  # noqa: S301


def run_jobs(pool: Pool, queue: str, factory: str, count: int, seconds: int) -> None:
    pool.submit(
        {
            "universe": "local",
            "executable": "/bin/sleep",
            "arguments": seconds,
            "My.MATCH_APF_QUEUE": f'"{queue}"',
            "My.APFFactory": f'"{factory}"',
        },
        count,
    )


def test_counts_own_jobs_by_queue_and_run_time(pool: Pool) -> None:
    factory, other = f"f{uuid.uuid4()}", f"f{uuid.uuid4()}"
    run_jobs(pool, "A", factory, count=3, seconds=0)
    run_jobs(pool, "A", factory, count=1, seconds=5)
    run_jobs(pool, "B", factory, count=2, seconds=0)
    run_jobs(pool, "A", other, count=2, seconds=0)
    ours = f'APFFactory == "{factory}" || APFFactory == "{other}"'
    until(lambda: len(pool.history(ours)) == 8, "all jobs are in the history", timeout_s=60)
    windows = {
        HistoryWindow("A", span_s=3600, short_s=4): RecentJobs(total=4, short=3),
        HistoryWindow("A", span_s=3600, short_s=60): RecentJobs(total=4, short=4),
        HistoryWindow("B", span_s=3600, short_s=60): RecentJobs(total=2, short=2),
        HistoryWindow("C", span_s=3600, short_s=60): RecentJobs(total=0, short=0),
    }
    source = HistorySource(
        schedd=ScheddAddress(), owner=getpass.getuser(), factory_id=factory, windows=frozenset(windows)
    )
    assert fetched(pool, source) == windows


def test_ignores_jobs_that_started_before_the_window(pool: Pool) -> None:
    factory = f"f{uuid.uuid4()}"
    run_jobs(pool, "A", factory, count=2, seconds=0)
    until(lambda: len(pool.history(f'APFFactory == "{factory}"')) == 2, "both jobs are in the history", timeout_s=60)
    window = HistoryWindow("A", span_s=1, short_s=60)
    source = HistorySource(
        schedd=ScheddAddress(), owner=getpass.getuser(), factory_id=factory, windows=frozenset({window})
    )
    until(lambda: fetched(pool, source)[window] == RecentJobs(), "the jobs are older than the window")
