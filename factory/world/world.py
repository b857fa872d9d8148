"""The World: all data that a round may depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from factory.model.memory import Memory
from factory.model.source import Reading


@dataclass(frozen=True)
class World:
    """All data that a round may depend on. Times are epoch seconds."""

    now: float
    readings: Mapping[str, Reading]
    memory: Memory = field(default_factory=Memory)
    acted: Mapping[str, float] = field(default_factory=dict)
    """End of each queue's last act."""
    newer_factory: str | None = None
    """Incarnation of a newer factory with our id (rule 10)."""
    paused: Mapping[str, str] = field(default_factory=dict)
    """Queues that a person paused, with author, time and reason."""
    faults: Mapping[str, str] = field(default_factory=dict)
    """Queues with a plugin that failed to name its sources, and the reason."""
    orphans: Mapping[str, int] = field(default_factory=dict)
    """Instances without a VM job, by queue: they count against every cap (rule 6)."""
    ending: Mapping[str, int] = field(default_factory=dict)
    """VM jobs that were removed and have left the queue, by queue, while the cloud has not confirmed the end of their
    instances: they count against ``maxinstances``."""
    unaudited: frozenset[str] = frozenset()
    """Queues whose cloud no audit has queried yet, so that their orphans are unknown."""
