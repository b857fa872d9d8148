"""Calls that may never come back, in threads that the end of the process does not wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

S = TypeVar("S")
T = TypeVar("T")


class TookTooLong(Exception):
    """The call did not come back in time. Its thread goes on, and what it brings is dropped."""


class _Call(threading.Thread, Generic[T]):
    def __init__(self, function: Callable[[], T]) -> None:
        super().__init__(name="bounded", daemon=True)
        self._function = function
        self.value: T
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.value = self._function()
        except BaseException as error:  # noqa: BLE001  it is raised where the call was made
            self.error = error


def run_bounded(function: Callable[[], T], limit_s: float) -> T:
    """What the function returns or raises.

    Raises:
        TookTooLong: it did neither within ``limit_s``.
    """
    call = _Call(function)
    call.start()
    call.join(limit_s)
    if call.is_alive():
        raise TookTooLong(f"did not come back within {limit_s:.0f} s")
    if call.error is not None:
        raise call.error
    return call.value


def run_parallel(function: Callable[[S], T], items: Sequence[S], at_once: int) -> list[T]:
    """What the function returns for each, so many at once, begun in their order.

    Raises:
        BaseException: what the function raised for one of them.
    """
    todo, guard = iter(enumerate(items)), threading.Lock()
    found: dict[int, T] = {}

    def work() -> None:
        while True:
            with guard:
                each = next(todo, None)
            if each is None:
                return
            found[each[0]] = function(each[1])

    calls = [_Call(work) for _ in items[:at_once]]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    for call in calls:
        if call.error is not None:
            raise call.error
    return [found[number] for number in range(len(items))]
