"""Calls that may never return, in daemon threads that do not delay the end of the process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

S = TypeVar("S")
T = TypeVar("T")


class TookTooLong(Exception):
    """The call did not return in time. Its thread continues, and its result is dropped."""


class _Call(threading.Thread, Generic[T]):
    def __init__(self, function: Callable[[], T]) -> None:
        super().__init__(name="bounded", daemon=True)
        self._function = function
        self.value: T
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.value = self._function()
        except BaseException as error:  # noqa: BLE001  the caller raises it
            self.error = error


def run_bounded(function: Callable[[], T], limit_s: float) -> T:
    """Return what the function returns, or raise what it raises.

    Raises:
        TookTooLong: it did neither within ``limit_s``.
    """
    call = _Call(function)
    call.start()
    call.join(limit_s)
    if call.is_alive():
        raise TookTooLong(f"did not return within {limit_s:.0f} s")
    if call.error is not None:
        raise call.error
    return call.value


def run_parallel(function: Callable[[S], T], items: Sequence[S], at_once: int) -> list[T]:
    """Return the function's result for each item, with ``at_once`` calls in parallel, started in order.

    Raises:
        BaseException: what the function raised for an item.
    """
    todo, guard = iter(enumerate(items)), threading.Lock()
    results: dict[int, T] = {}

    def work() -> None:
        while True:
            with guard:
                numbered = next(todo, None)
            if numbered is None:
                return
            results[numbered[0]] = function(numbered[1])

    calls = [_Call(work) for _ in items[:at_once]]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    for call in calls:
        if call.error is not None:
            raise call.error
    return [results[number] for number in range(len(items))]
