"""Totals that the queues of one round share. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from factory.model.status import Unknown


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of a machine."""

    queue: str
    shape: str
    """Empty for an instance without a VM job."""
    usd_per_hour: float | None
    """None: unknown."""


@dataclass(frozen=True)
class Ledger:
    """Totals that are passed from queue to queue while a round is decided."""

    total: int | Unknown = 0
    """Pending plus running of all queues of the factory, and the machines that this round adds."""
    owned: Mapping[Cost, int] = field(default_factory=dict)
    """Number of machines of each cost that may own an instance, including those that this round adds. Queues with
    unknown batch status are missing; then ``total`` is unknown."""

    def add(self, n: int, bought: Iterable[Cost] = ()) -> Ledger:
        """Return the ledger after n more machines or pilots; ``bought`` are the costs of the machines."""
        total = self.total if isinstance(self.total, Unknown) else self.total + n
        return replace(self, total=total, owned=Counter(self.owned) + Counter(bought))
