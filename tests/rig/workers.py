"""Worker processes that ask a test's pool."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from factory.process.workers import Workers
from tests.rig.pool import Pool
from tests.rig.wait import until


@contextmanager
def asking(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    """Workers whose calls go to this pool, until the end of the ``with``."""
    monkeypatch.setenv("CONDOR_CONFIG", pool.env["CONDOR_CONFIG"])
    workers = Workers()
    try:
        yield workers
    finally:
        workers.stop()


@contextmanager
def asking_alone(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    """Workers as in ``asking``; at the end all jobs and machines of the pool go."""
    with asking(pool, monkeypatch) as running:
        yield running
    pool.run("condor_rm", "-all")
    pool.run("condor_advertise", "INVALIDATE_STARTD_ADS", stdin='MyType = "Query"\nRequirements = true\n')
    until(lambda: not pool.jobs() and not pool.slots(), "jobs and machines have gone", 30)
