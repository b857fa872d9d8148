"""Audits of the running factory, in a thread beside the rounds.

Clouds are asked by workers of their own: one that hangs delays an audit but no decision (rule 12). Orphans count
against the caps of the queues in the rounds that follow; they are ended here if the configuration says so.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from factory.audit.audit_log import AuditLog
from factory.audit.cleanup import Cleanup, CleanupResult
from factory.audit.history import AuditHistory, AuditSnapshot, OrphanRules, mark_tried
from factory.audit.orphans import Orphan, find_orphans
from factory.audit.result import AuditReport, summarize, terminated
from factory.audit.snapshot import Snapshot, clouds_by_account, take_snapshot
from factory.config.queues import Config
from factory.model.cloud import KeyPairMaker
from factory.model.memory import AuditResult
from factory.process.clock import steady
from factory.process.faults import FAULTS, fault
from factory.process.workers import Workers
from factory.state.directory import StateDir
from factory.state.pauses import Pauses, PausesError, read_pauses
from factory.world.build import newer_incarnation

log = logging.getLogger("apf")

_MIN_APART_S = 20
"""Minimum time between two audits, if the interval is longer."""
_RETRY_S = 2
"""Minimum time after an audit that did not reach all clouds or the schedd: until then nothing is bought there."""


class Reaper:
    """Audits every ``[Factory] audit_interval``. ``config`` may be replaced; ``last_report`` is the last audit's."""

    def __init__(
        self,
        config: Config,
        workers: Workers,
        statedir: StateDir,
        incarnation: str,
        keep_fds: Sequence[int] = (),
        clock: Callable[[], float] = steady,
    ) -> None:
        self.config = config
        self.last_report = AuditReport()
        self._workers = workers
        self._statedir = statedir
        self._incarnation = incarnation
        self._keep_fds = tuple(keep_fds)
        self._clock = clock
        self._history = AuditHistory()
        self._makers: Mapping[str, KeyPairMaker | None] = {}
        self._log = AuditLog(statedir)
        self._first_done = False
        self._asked: frozenset[str] = frozenset()
        self._all_asked: Config | None = None
        self._ending = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)

    def start(self) -> None:
        """Start the thread; the first audit begins at once."""
        self._thread.start()

    def stop(self) -> None:
        """Begin no further audit. One under way ends with the workers; the next factory finds what it did."""
        self._ending.set()
        self._wake.set()

    @property
    def first_done(self) -> bool:
        """True once the first audit has ended, whatever it could ask."""
        return self._first_done

    @property
    def unaudited(self) -> frozenset[str]:
        """Queues whose current cloud account no audit has asked with schedd and collector present.

        A cloud that did not answer counts as asked: it may be out of order for long. Empty if a plugin breaks audits.
        """
        config = self.config
        if self._all_asked is config:
            return frozenset()
        try:
            accounts = clouds_by_account(config)
        except FAULTS:
            return frozenset()  # the audit reports it
        names = frozenset(name for key, cloud in accounts.items() if key not in self._asked for name in cloud.queues)
        if not names:
            self._all_asked = config
        return names

    def wake(self) -> None:
        """Audit soon, because something is missing."""
        self._wake.set()

    def _run(self) -> None:
        while not self._ending.is_set():
            self.audit_or_log()
            interval_s = self.config.factory.audit_interval
            apart_s = min(_RETRY_S if self.unaudited else _MIN_APART_S, interval_s)
            self._ending.wait(apart_s)
            self._wake.wait(interval_s - apart_s)
            self._wake.clear()

    def audit_or_log(self) -> None:
        """Audit once; an error is logged."""
        config = self.config
        try:
            self.audit()
        except Exception as error:  # noqa: BLE001 - a plugin's fault; the next audit may succeed
            self._all_asked = config  # or may fail as well: buying does not wait for it
            if not self._ending.is_set():
                log.error("audit failed=%r", fault(error))
        finally:
            self._first_done = True

    def audit(self) -> None:
        """Audit once: take a snapshot, find orphans, carry out their steps, report."""
        config, tick = self.config, self._clock()
        snapshot = take_snapshot(config, self._workers, self._makers)
        self._makers = snapshot.makers
        audited = self._audit_snapshot(snapshot, tick)
        young = None if audited is None else self._young(config, snapshot)
        orphans, results = self._judge(config, snapshot, audited, young)
        for address in {cloud.source.address for cloud in snapshot.clouds.values()}:
            self._workers.end(address)
        orphans = self._with_unanswered(orphans, snapshot, audited)
        self._log.gone(self.last_report, orphans, snapshot)
        outcomes = {name: each.error for name, each in results.items()}
        unknown = (*snapshot.unknown, *([] if young is None else [young]))
        self.last_report = AuditReport(
            ended=time.time(),
            orphans=orphans,
            unknown=unknown,
            notes=snapshot.notes,
            outcomes=outcomes,
            reaped=self.last_report.reaped + terminated(orphans, outcomes),
            result=self._result(snapshot, audited, orphans),
        )
        if not snapshot.pool_failed:
            self._asked |= snapshot.clouds.keys()
        self._log.notes(snapshot.notes)
        self._log.report(self.last_report)

    def _judge(
        self, config: Config, snapshot: Snapshot, audited: AuditSnapshot | None, young: str | None
    ) -> tuple[tuple[Orphan, ...], Mapping[str, CleanupResult]]:
        """Return the orphans, and the results of the steps that were carried out, by name."""
        if audited is None:
            return self.last_report.orphans, {}
        rules = self._rules(config, snapshot)
        if young is not None:  # orphans are known and count, but none is acted on
            orphans, _ = find_orphans(audited, self._history, replace(rules, exempt={"*": young}))
            return orphans, {}
        orphans, self._history = find_orphans(audited, self._history, rules)
        results = Cleanup(config, self._workers, snapshot, self._keep_fds).run(orphans)
        tried = (orphan.key for orphan in orphans if orphan.name in results and results[orphan.name].tried)
        self._history = mark_tried(self._history, tried, audited.tick)
        return orphans, results

    def _with_unanswered(
        self, orphans: tuple[Orphan, ...], snapshot: Snapshot, audited: AuditSnapshot | None
    ) -> tuple[Orphan, ...]:
        """Add the orphans of clouds that did not answer: they stay as they were."""
        if not snapshot.clouds:
            return ()
        if audited is None or audited.complete:
            return orphans
        unanswered = snapshot.clouds.keys() - snapshot.answered
        return orphans + tuple(orphan for orphan in self.last_report.orphans if orphan.account in unanswered)

    def _result(self, snapshot: Snapshot, audited: AuditSnapshot | None, orphans: Iterable[Orphan]) -> AuditResult:
        """Return the facts for the rounds; those of the last audit if schedd or collector did not answer."""
        before = self.last_report.result
        queues = {key: cloud.queues for key, cloud in snapshot.clouds.items()}
        return before if audited is None else summarize(audited, orphans, queues, before)

    def _audit_snapshot(self, snapshot: Snapshot, tick: float) -> AuditSnapshot | None:
        """Return the part that orphans are found in; None if schedd or collector did not answer (rule 2)."""
        if not snapshot.clouds or not snapshot.pool_answered:
            return None
        return AuditSnapshot(
            inventory=snapshot.inventory, schedd=snapshot.schedd, now=snapshot.asked, tick=tick,
            instances=snapshot.instances, key_pairs=snapshot.key_pairs, answered=snapshot.answered,
            complete=len(snapshot.answered) == len(snapshot.clouds),
        )  # fmt: skip

    def _young(self, config: Config, snapshot: Snapshot) -> str | None:
        """Return the reason why the absence of an ad proves nothing yet: the collector has just started (rule 2)."""
        believed_after_s = 2 * config.factory.update_interval
        if snapshot.collector_up_s >= believed_after_s:
            return None
        return f"the collector has been up for {snapshot.collector_up_s:.0f} s, believed after {believed_after_s} s"

    def _rules(self, config: Config, snapshot: Snapshot) -> OrphanRules:
        factory = config.factory
        try:
            exempt = exempt_queues(read_pauses(self._statedir.paused), snapshot)
        except PausesError as error:
            exempt = {"*": f"what is paused is unknown: {error}"}
        usurper = newer_incarnation((job.incarnation for job in snapshot.jobs), self._incarnation)
        if usurper is not None:
            exempt = {"*": f"a newer factory with this id is at work: {usurper}"}
        return OrphanRules(
            apart_s=factory.audit_interval,
            fresh_s=2 * factory.update_interval,
            job_lease_s=factory.job_lease,
            reaps=factory.orphans == "terminate",
            exempt=exempt,
        )


def exempt_queues(pauses: Pauses, snapshot: Snapshot) -> dict[str, str]:
    """Return the reason not to act, by paused queue and by account; ``*``: on anything.

    A key pair belongs to no queue: it is kept while a queue that uses its account is paused.
    """
    names = {queue for cloud in snapshot.clouds.values() for queue in cloud.queues}
    names |= {record.queue for record in snapshot.inventory.records}
    names |= {each.queue for record in snapshot.inventory.records for each in record.instances}
    reasons = pauses.reasons({*names, "*"})
    paused = {key: sorted(cloud.queues & reasons.keys()) for key, cloud in snapshot.clouds.items()}
    return reasons | {key: reasons[queues[0]] for key, queues in paused.items() if queues}
