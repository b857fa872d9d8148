"""A budget for the search, counted and not timed, so that the same world gets the same answer. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Effort:
    """The effort left, in microseconds on the hardware of docs/benchmarks.md."""

    left_us: float

    def spend(self, us: float) -> None:
        """Subtract the effort of a step."""
        self.left_us -= us

    @property
    def spent(self) -> bool:
        """True if no effort is left."""
        return self.left_us <= 0
