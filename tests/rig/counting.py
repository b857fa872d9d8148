"""Work counted in function calls. Tests assert its growth, since seconds depend on the host."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

T = TypeVar("T")


def counted(work: Callable[[], T]) -> tuple[T, int]:
    """Return the result of ``work``, and how many functions it called in this thread, of Python and of C."""
    count = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        result = work()
    finally:
        sys.setprofile(before)
    return result, count


def calls(work: Callable[[], object]) -> int:
    """Return how many functions ``work`` calls."""
    return counted(work)[1]
