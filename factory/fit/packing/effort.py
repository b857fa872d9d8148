"""How much may be tried to find something better: counted, not timed; the same world gets the same answer. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Effort:
    """What is left of it, in microseconds as they are on the hardware of docs/benchmarks.md."""

    left_us: float

    def spend(self, us: float) -> None:
        """Count what was done."""
        self.left_us -= us

    @property
    def spent(self) -> bool:
        """Whether nothing is left."""
        return self.left_us <= 0
