"""Log audits, each change once, and add them to the journal."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from factory.audit.cleanup import COMMANDS
from factory.audit.history import Key
from factory.audit.orphans import Orphan, OrphanStep
from factory.audit.result import AuditReport
from factory.audit.snapshot import Snapshot
from factory.state.directory import StateDir

log = logging.getLogger("apf")


class AuditLog:
    """Remembers what it has logged, so that an audit that changes nothing adds no line."""

    def __init__(self, statedir: StateDir) -> None:
        self._statedir = statedir
        self._steps: dict[Key, OrphanStep] = {}
        self._notes: frozenset[str] = frozenset()
        self._failures: Mapping[str, str] = {}

    def notes(self, notes: Iterable[str]) -> None:
        """Log each note once."""
        for text in sorted(frozenset(notes) - self._notes):
            log.warning('audit note="%s"', text)
        self._notes |= frozenset(notes)

    def gone(self, before: AuditReport, orphans: Iterable[Orphan], snapshot: Snapshot) -> None:
        """Log the orphans of the audit before that are gone."""
        keys = {orphan.key for orphan in orphans}
        for orphan in before.orphans:
            if orphan.key in keys:
                continue
            if orphan.account and orphan.account not in snapshot.clouds:
                text = "orphan %s %s was not ended and can't be seen any more: no queue uses its account (%s)"
                log.warning(text, orphan.kind, orphan.name, orphan.account)
            else:
                log.info("orphan %s %s is gone", orphan.kind, orphan.name)

    def report(self, report: AuditReport) -> None:
        """Log new orphans, changed steps and results, and add them to the journal."""
        for text in report.unknown:
            log.warning('audit unknown="%s"', text)
        news = defaultdict(list)
        for orphan in report.orphans:
            if orphan.name in report.outcomes or self._steps.get(orphan.key) is not orphan.step:
                news[orphan.queue].append(orphan)
        for queue, of_queue in news.items():
            for orphan in of_queue:
                self._orphan(orphan, report.outcomes.get(orphan.name))
            try:
                self._statedir.add_to_journal(_journal_entry(queue, of_queue, report.outcomes, report.ended))
            except OSError as error:
                log.error('statedir=%s failed="%s"', self._statedir.path, error)
        self._steps = {orphan.key: orphan.step for orphan in report.orphans}
        names = {orphan.name for orphan in report.orphans}
        failures = {**self._failures, **report.outcomes}
        self._failures = {name: why for name, why in failures.items() if why is not None and name in names}

    def _orphan(self, orphan: Orphan, failed: str | None) -> None:
        """Log the step against an orphan and its result; a failure only if it is another one than before."""
        level, result = (logging.INFO, "") if failed is None else (logging.WARNING, f' failed="{failed}"')
        if failed is None or self._failures.get(orphan.name) != failed:
            log.log(
                level, 'queue=%s orphan %s %s step=%s reason="%s"%s',
                orphan.queue, orphan.kind, orphan.name, orphan.step.value, orphan.why, result,
            )  # fmt: skip


def _journal_entry(
    queue: str, orphans: Sequence[Orphan], outcomes: Mapping[str, str | None], now: float
) -> dict[str, Any]:
    """Return the journal entry of an audit for one queue."""
    return {
        "queue": queue,
        "decided": now,
        "outcome": "audit",
        "orphans": [f"{o.kind} {o.name}: {o.step.value}: {o.why}" for o in orphans if o.name not in outcomes],
        "actions": [
            {
                "kind": COMMANDS[orphan.step],
                "what": f"orphan {orphan.kind} {orphan.name}",
                "reason": orphan.why,
                "jobs": [str(orphan.job.job)] if orphan.job is not None else [],
                "error": outcomes[orphan.name],
            }
            for orphan in orphans
            if orphan.name in outcomes
        ],
    }
