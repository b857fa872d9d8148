"""The decision for one queue, and the round of all queues."""

from __future__ import annotations

from dataclasses import dataclass, field

from factory.decide.chain import Chain
from factory.model.actions import Action, ClearRetire, Release, Remove, Retire, Submit, Unretire
from factory.model.memory import FitMemory, Health
from factory.model.status import BatchStatus, SiteStatus, Unknown, WmsStatus


@dataclass(frozen=True)
class Decision:
    """The decision for one queue, with its reasons."""

    queue: str
    chain: Chain
    actions: tuple[Action, ...] = ()
    notes: tuple[str, ...] = ()
    wms: WmsStatus | Unknown | None = None
    batch: BatchStatus | Unknown = Unknown("not read")
    site: SiteStatus | Unknown | None = None
    health: Health | None = None
    """Updated health of its shapes; None: unchanged."""
    broken: str | None = None
    """Traceback of an unexpected error in its part of the round."""


@dataclass(frozen=True)
class Round:
    """The decisions of one round, in the order of decision."""

    now: float
    decisions: tuple[Decision, ...]
    memory: FitMemory = field(default_factory=FitMemory)
    """Memory of waiting jobs for the next round."""

    @property
    def health(self) -> dict[str, Health]:
        """Updated health of shapes, by queue."""
        return {decision.queue: decision.health for decision in self.decisions if decision.health is not None}

    @property
    def actions(self) -> tuple[Action, ...]:
        """All actions: additions by priority, then removals and retirements by reverse priority."""
        up = [action for decision in self.decisions for action in decision.actions]
        down = [action for decision in reversed(self.decisions) for action in decision.actions]
        return tuple(
            action
            for kind in (Unretire, Submit, ClearRetire, Release, Remove, Retire)
            for action in (down if kind in (Remove, Retire) else up)
            if isinstance(action, kind)
        )
