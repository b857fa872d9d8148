"""The host's clock, which somebody may set; and time that only goes on, to tell by how much it was set."""

from __future__ import annotations

import time
from collections.abc import Callable

_STEP_S = 0.5
"""The clock was set if it differs by more than this; what is corrected slowly is corrected in both."""


def steady() -> float:
    """Seconds since the host started. Equal in all its processes, goes on while it sleeps, and nobody can set it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Clock:
    """Epoch seconds that follow the host's clock, but are only set where :meth:`adopt_step` says so."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = steady) -> None:
        self._wall = wall
        self.steady = steady
        self._apart = wall() - steady()

    def now(self) -> float:
        """The time now."""
        return self.at(self.steady())

    def at(self, moment: float) -> float:
        """The time at a moment that ``steady`` gave."""
        return moment + self._apart

    def adopt_step(self) -> float:
        """By how many seconds the host's clock was set since this was last asked; from now on the new time counts.

        Below zero: it was set back. 0: it was not set.
        """
        apart = self._wall() - self.steady()
        by = apart - self._apart
        if abs(by) <= _STEP_S:
            return 0.0
        self._apart = apart
        return by
