"""The host's clock, which can be set, and a steady clock that detects it."""

from __future__ import annotations

import time
from collections.abc import Callable

_STEP_S = 0.5
"""A larger difference means that the clock was set. Slow corrections apply to both clocks."""


def steady() -> float:
    """Return the seconds since boot: equal in all processes, counting while the host sleeps, impossible to set."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Clock:
    """Epoch seconds that follow the host's clock, but step only in :meth:`adopt_step`."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = steady) -> None:
        self._wall = wall
        self.steady = steady
        self._apart = wall() - steady()

    def now(self) -> float:
        """Return the current time."""
        return self.at(self.steady())

    def at(self, moment: float) -> float:
        """Convert a value of ``steady`` to epoch seconds."""
        return moment + self._apart

    def adopt_step(self) -> float:
        """Adopt the host's clock, and return the seconds by which it was set since the last call.

        Negative if it was set back, 0 if it was not set.
        """
        apart = self._wall() - self.steady()
        step_s = apart - self._apart
        if abs(step_s) <= _STEP_S:
            return 0.0
        self._apart = apart
        return step_s
