"""Report of an audit of the running factory, for the rounds and for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from factory.audit.history import AuditSnapshot
from factory.audit.orphans import Orphan, OrphanStep
from factory.model.memory import AuditResult


@dataclass(frozen=True)
class AuditReport:
    """Report of the last audit."""

    ended: float = 0
    """Epoch at which it ended; 0: there was none yet."""
    orphans: tuple[Orphan, ...] = ()
    unknown: tuple[str, ...] = ()
    """Sources that did not answer, each with the reason."""
    notes: tuple[str, ...] = ()
    """Other questions that failed, with the reason. No instance is judged by them."""
    outcomes: Mapping[str, str | None] = field(default_factory=dict)
    """Result of each step that was tried, by name of the orphan: None, or the reason for the failure."""
    reaped: int = 0
    """Instances terminated since the factory started."""
    result: AuditResult = field(default_factory=AuditResult)
    """Facts for the rounds about VM jobs that vanished. ``began`` is of the steady clock."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Instances of each queue that count against its caps although no VM job records them (rule 6)."""
        return MappingProxyType(Counter(orphan.queue for orphan in self.orphans if orphan.counts))

    def report(self) -> dict[str, Any]:
        """Return the report as it stands in ``status.json``."""
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


def terminated(orphans: Iterable[Orphan], outcomes: Mapping[str, str | None]) -> int:
    """Return the number of orphans whose instances were terminated."""
    done = (orphan for orphan in orphans if orphan.name in outcomes and outcomes[orphan.name] is None)
    return sum(orphan.step is OrphanStep.TERMINATE for orphan in done)


def summarize(
    audited: AuditSnapshot, orphans: Iterable[Orphan], queues: Mapping[str, Collection[str]], before: AuditResult
) -> AuditResult:
    """Return the facts for the rounds about VM jobs that vanished. ``began`` is of the steady clock.

    An account that did not answer leaves what an earlier audit found of its queues.

    Args:
        audited: The snapshot.
        orphans: Its orphans, and those of accounts that did not answer.
        queues: Queues by account.
        before: The result of the audit before.
    """
    asked = frozenset(queue for of_account in queues.values() for queue in of_account)
    answered = frozenset(queue for account in audited.answered for queue in queues.get(account, ()))
    return AuditResult(
        began={queue: audited.tick if queue in answered else before.began.get(queue, 0.0) for queue in asked},
        asked=asked,
        ended=audited.inventory.ended | (frozenset() if audited.complete else before.ended),
        counted=frozenset(orphan.vm for orphan in orphans if orphan.counts and orphan.job is None),
    )
