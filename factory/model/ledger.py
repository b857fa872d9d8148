"""What the queues of one round share, so that no queue decides as if it were alone. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from factory.model.status import Unknown


@dataclass(frozen=True, slots=True)
class Cost:
    """What a machine costs."""

    queue: str
    shape: str
    """Empty: nobody knows, it is an instance without a VM job."""
    usd_per_hour: float | None
    """None: not known."""


@dataclass(frozen=True)
class Ledger:
    """Carried from queue to queue while a round is decided."""

    total: int | Unknown = 0
    """Pending + running of all queues of the factory, and what this round adds."""
    owned: Mapping[Cost, int] = field(default_factory=dict)
    """How many machines that may own an instance there are of each cost, and what this round adds. Those of queues
    whose batch status is unknown are missing; then ``total`` is unknown."""

    def add(self, n: int, bought: Iterable[Cost] = ()) -> Ledger:
        """The ledger after n more machines or pilots, those of them that cost something being ``bought``."""
        total = self.total if isinstance(self.total, Unknown) else self.total + n
        return replace(self, total=total, owned=Counter(self.owned) + Counter(bought))
