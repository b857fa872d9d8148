"""A decision for one queue, and a round of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from factory.decide.chain import Chain
from factory.model.actions import Action, ClearRetire, Release, Remove, Retire, Submit, Unretire
from factory.model.memory import FitMemory, Health
from factory.model.status import BatchStatus, SiteStatus, Unknown, WmsStatus


@dataclass(frozen=True)
class Decision:
    """What was decided for one queue, and why."""

    queue: str
    chain: Chain
    actions: tuple[Action, ...] = ()
    notes: tuple[str, ...] = ()
    wms: WmsStatus | Unknown | None = None
    batch: BatchStatus | Unknown = Unknown("not read")
    site: SiteStatus | Unknown | None = None
    health: Health | None = None
    """What is now known of its launches. None: nothing new."""
    broken: str | None = None
    """Where an unexpected error ended its part of the round."""


@dataclass(frozen=True)
class Round:
    """The decisions of one round, in the order in which they were made."""

    now: float
    decisions: tuple[Decision, ...]
    memory: FitMemory = field(default_factory=FitMemory)
    """What the next round should know of jobs that wait."""

    @property
    def health(self) -> dict[str, Health]:
        """What is now known of the launches of queues."""
        return {decision.queue: decision.health for decision in self.decisions if decision.health is not None}

    @property
    def actions(self) -> tuple[Action, ...]:
        """What to do: additions in the order of priority, then what ends machines in the reverse order."""
        up = [action for decision in self.decisions for action in decision.actions]
        down = [action for decision in reversed(self.decisions) for action in decision.actions]
        return tuple(
            action
            for kind in (Unretire, Submit, ClearRetire, Release, Remove, Retire)
            for action in (down if kind in (Remove, Retire) else up)
            if isinstance(action, kind)
        )
