"""What a worker process runs for a poll. It imports no more than that: a worker is there for every daemon."""

from __future__ import annotations

import ctypes
import pickle
import threading
from typing import TYPE_CHECKING

from factory.process.clock import steady

if TYPE_CHECKING:
    from factory.model.source import Source

_REST_S = 0.05
"""A worker has answered, and its answer has been read."""


def poll(pickled: bytes) -> tuple[float, float, bytes]:
    """When the fetch of a source began and ended, and its rows.

    Pickled here and there by hand, so that what can't be is an error of this call alone.
    """
    source: Source = pickle.loads(pickled)  # noqa: S301  from our own parent
    started = steady()
    rows = source.fetch()
    ended = steady()
    answer = started, ended, pickle.dumps(rows)
    del rows
    # Not now: whoever asked waits for the answer.
    later = threading.Timer(_REST_S, trim_heap)
    later.daemon = True
    later.start()
    return answer


def trim_heap() -> None:
    """Give what a poll freed back to the system; glibc keeps it otherwise, and a worker may rest for minutes."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
