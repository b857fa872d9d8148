"""Run a poll in a worker process. It imports little, because there is a worker for every daemon."""

from __future__ import annotations

import ctypes
import pickle
import threading
from typing import TYPE_CHECKING

from factory.process.clock import steady

if TYPE_CHECKING:
    from factory.model.source import Source

_REST_S = 0.05
"""Wait before memory is returned, so that the answer goes out first."""


def poll(pickled: bytes) -> tuple[float, float, bytes]:
    """Fetch a pickled source; return when the fetch started and ended (steady), and its pickled rows.

    Both sides pickle by hand, so that a failure to pickle is an error of this call only.
    """
    source: Source = pickle.loads(pickled)  # noqa: S301  from our own parent
    started = steady()
    rows = source.fetch()
    ended = steady()
    answer = started, ended, pickle.dumps(rows)
    del rows
    # Later, because the caller waits for the answer.
    later = threading.Timer(_REST_S, trim_heap)
    later.daemon = True
    later.start()
    return answer


def trim_heap() -> None:
    """Return freed memory to the system. glibc would keep it while the worker is idle, for minutes."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
