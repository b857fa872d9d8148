"""Wait for a condition; the deadline only ends a test that has failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from localcloud import wait

T = TypeVar("T")

PATIENCE = 3
"""A slow or busy host may take so many times as long as a test's author expects."""


def until(condition: Callable[[], T], what: str, timeout_s: float = 30.0, every_s: float = 0.1) -> T:
    """Return the first true value of ``condition()``. Raises TimeoutError that names ``what``.

    ``timeout_s`` is the time on a quiet host; a test passes however long it takes within ``PATIENCE`` times that.
    """
    return wait.until(condition, what, PATIENCE * timeout_s, every_s)
