"""What the queues of one round share, so that no queue decides as if it were alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from factory.model import Unknown


@dataclass(frozen=True)
class Ledger:
    """Carried from queue to queue while a round is decided."""

    total: int | Unknown = 0
    """Pending + running of all queues of the factory, and what this round adds."""

    def add(self, n: int) -> Ledger:
        """The ledger after n more machines or pilots."""
        return self if isinstance(self.total, Unknown) else replace(self, total=self.total + n)
