"""Worker processes that ask a test's pool."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from factory.process.workers import Workers
from tests.rig.pool import Pool


@contextmanager
def asking(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    """Workers whose calls go to this pool, until the end of the ``with``."""
    monkeypatch.setenv("CONDOR_CONFIG", pool.env["CONDOR_CONFIG"])
    workers = Workers()
    try:
        yield workers
    finally:
        workers.stop()
