"""The World: everything that a round may depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from factory.model.memory import Memory
from factory.model.source import Reading


@dataclass(frozen=True)
class World:
    """Everything that a round may depend on."""

    now: float
    readings: Mapping[str, Reading]
    memory: Memory = field(default_factory=Memory)
    acted: Mapping[str, float] = field(default_factory=dict)
    """End of each queue's last act."""
    usurper: str | None = None
    """A newer factory with our id that was seen at work (rule 10)."""
    paused: Mapping[str, str] = field(default_factory=dict)
    """Queues that somebody paused, and who, when and why."""
    faults: Mapping[str, str] = field(default_factory=dict)
    """Queues of which a plugin can't say what it reads, and why."""
    orphans: Mapping[str, int] = field(default_factory=dict)
    """Instances without a VM job, by queue: they count against every cap (rule 6)."""
    unasked: frozenset[str] = frozenset()
    """Queues whose cloud no audit has asked yet, so that nobody knows how many of these there are."""
