"""A call that may never come back, outside the main thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

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


def bounded(function: Callable[[], T], limit_s: float) -> T:
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
