"""What an audit of the running factory found, for the rounds and for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from factory.audit.orphans import Orphan
from factory.model.memory import AuditResult


@dataclass(frozen=True)
class AuditReport:
    """What the last audit found."""

    ended: float = 0
    """Epoch; 0: there was none yet."""
    orphans: tuple[Orphan, ...] = ()
    unknown: tuple[str, ...] = ()
    """What could not be asked, and why."""
    notes: tuple[str, ...] = ()
    """What could not be asked besides, and no machine is judged by."""
    outcomes: Mapping[str, str | None] = field(default_factory=dict)
    """What was done about orphans, by name: None, or why it failed."""
    reaped: int = 0
    """Instances that were terminated since the factory started."""
    result: AuditResult = field(default_factory=AuditResult)
    """What the rounds may conclude of VM jobs that they miss; when it began is a steady time."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Instances that count against the caps of each queue, though no VM job is there for them (rule 6)."""
        return MappingProxyType(Counter(orphan.queue for orphan in self.orphans if orphan.counts))

    def report(self) -> dict[str, Any]:
        """For ``status.json``."""
        return {
            "ended": self.ended,
            "reaped": self.reaped,
            "unknown": list(self.unknown),
            "notes": list(self.notes),
            "orphans": [
                {
                    "kind": orphan.kind, "name": orphan.name, "queue": orphan.queue, "vm": orphan.vm,
                    "why": orphan.why, "step": orphan.step.value, "seen_s": round(orphan.seen_s),
                    "error": self.outcomes.get(orphan.name),
                }
                for orphan in self.orphans
            ],
        }  # fmt: skip
