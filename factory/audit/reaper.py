"""The audit of the running factory: beside the rounds, in a thread of its own.

Clouds are asked by worker processes that nobody else waits for: one that hangs delays an audit and no decision
(rule 12). What is found counts against the caps of the queues in the rounds that follow, and is ended here if the
configuration says so.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from factory.audit.cleanup import COMMANDS, Cleanup
from factory.audit.history import AuditHistory, AuditSnapshot, OrphanRules, mark_tried
from factory.audit.orphans import Orphan, OrphanStep, find_orphans
from factory.audit.result import AuditReport
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

_SOON_S = 20
"""Two audits are no nearer to each other, if their interval is longer."""
_AGAIN_S = 2
"""But after one that did not ask all clouds, or not the schedd: until then nothing is bought there."""


class Reaper:
    """Audits every ``[Factory] audit_interval``. ``config`` may be replaced; ``audited`` is the last word."""

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
        self.audited = AuditReport()
        self._workers = workers
        self._statedir = statedir
        self._incarnation = incarnation
        self._keep_fds = tuple(keep_fds)
        self._clock = clock
        self._sightings = AuditHistory()
        self._makers: Mapping[str, KeyPairMaker | None] = {}
        self._said: dict[tuple[str, str], OrphanStep] = {}
        self._noted: frozenset[str] = frozenset()
        self._looked = False
        self._asked: frozenset[str] = frozenset()
        self._all_asked: Config | None = None
        self._ending = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)

    def start(self) -> None:
        """Begin with an audit at once."""
        self._thread.start()

    def stop(self) -> None:
        """Begin no further audit; one under way ends with the workers, and what it did the next factory finds."""
        self._ending.set()
        self._wake.set()

    @property
    def looked(self) -> bool:
        """The first audit has ended, whatever it could ask."""
        return self._looked

    @property
    def unasked(self) -> frozenset[str]:
        """Queues whose cloud no audit has asked since it is theirs, with schedd and collector there.

        A cloud that did not answer was asked: it may be out of order for long. Where a plugin ends audits: none.
        """
        config = self.config
        if self._all_asked is config:
            return frozenset()
        try:
            accounts = clouds_by_account(config)
        except FAULTS:
            return frozenset()  # the audit says so
        names = frozenset(name for key, cloud in accounts.items() if key not in self._asked for name in cloud.queues)
        if not names:
            self._all_asked = config
        return names

    def wake(self) -> None:
        """Audit soon: something is missing."""
        self._wake.set()

    def _run(self) -> None:
        while not self._ending.is_set():
            self.guarded()
            interval_s = self.config.factory.audit_interval
            apart_s = min(_AGAIN_S if self.unasked else _SOON_S, interval_s)
            self._ending.wait(apart_s)
            self._wake.wait(interval_s - apart_s)
            self._wake.clear()

    def guarded(self) -> None:
        """One audit; an error in it is logged."""
        config = self.config
        try:
            self.audit()
        except Exception as error:  # noqa: BLE001 - a plugin's fault; the next audit may do better
            self._all_asked = config  # and may not: nobody waits for it
            if not self._ending.is_set():
                log.error("audit failed=%r", fault(error))
        finally:
            self._looked = True

    def audit(self) -> None:
        """One audit: look, judge, act, tell."""
        config, tick = self.config, self._clock()
        seen = take_snapshot(config, self._workers, self._makers)
        self._makers = seen.makers
        unknown = list(seen.unknown)
        orphans: tuple[Orphan, ...] = self.audited.orphans
        outcomes: dict[str, str | None] = {}
        result = self.audited.result
        scene = self._scene(seen, tick)
        young = None if scene is None else self._young(config, seen)
        if scene is not None and young is not None:  # what is an orphan is known, not what the pool has of it
            unknown.append(young)
            orphans, _ = find_orphans(
                scene, self._sightings, replace(self._rules(config, seen), hands_off={"*": young})
            )
        elif scene is not None:
            orphans, self._sightings = find_orphans(scene, self._sightings, self._rules(config, seen))
            ends = Cleanup(config, self._workers, seen, self._keep_fds).all(orphans)
            outcomes = {name: end.error for name, end in ends.items()}
            had_turn = (orphan.key for orphan in orphans if orphan.name in ends and ends[orphan.name].tried)
            self._sightings = mark_tried(self._sightings, had_turn, tick)
        for address in {cloud.source.address for cloud in seen.clouds.values()}:
            self._workers.end(address)
        if not seen.clouds:
            orphans = ()
        elif scene is not None and not scene.complete:  # of a cloud that did not answer all stays as it was
            orphans += tuple(o for o in self.audited.orphans if o.account in seen.clouds.keys() - seen.answered)
        self._say_gone(orphans, seen)
        done = [o for o in orphans if o.name in outcomes and outcomes[o.name] is None]
        reaped = self.audited.reaped + sum(1 for orphan in done if orphan.step is OrphanStep.TERMINATE)
        if scene is not None and scene.complete:
            result = summarize(scene, orphans)
        self.audited = AuditReport(time.time(), orphans, tuple(unknown), seen.notes, outcomes, reaped, result)
        if not seen.lacking:
            self._asked |= seen.clouds.keys()
        for text in sorted(frozenset(seen.notes) - self._noted):
            log.warning('audit note="%s"', text)
        self._noted |= frozenset(seen.notes)
        self._tell(orphans, outcomes, unknown)

    def _scene(self, seen: Snapshot, tick: float) -> AuditSnapshot | None:
        """What is to be judged; None if schedd or collector did not answer (rule 2)."""
        if not seen.clouds or not seen.pool:
            return None
        return AuditSnapshot(
            inventory=seen.inventory, schedd=seen.schedd, now=seen.asked, tick=tick, instances=seen.instances,
            key_pairs=seen.key_pairs, answered=seen.answered, complete=len(seen.answered) == len(seen.clouds),
        )  # fmt: skip

    def _young(self, config: Config, seen: Snapshot) -> str | None:
        """Why the collector can't be believed yet, if so: no machine is judged by what it does not show (rule 2)."""
        believed_after_s = 2 * config.factory.update_interval
        if seen.collector_up_s >= believed_after_s:
            return None
        return f"the collector has been up for {seen.collector_up_s:.0f} s, not {believed_after_s} s yet"

    def _rules(self, config: Config, seen: Snapshot) -> OrphanRules:
        factory = config.factory
        try:
            held = exempt_queues(read_pauses(self._statedir.paused), seen)
        except PausesError as error:
            held = {"*": f"what is paused is unknown: {error}"}
        usurper = newer_incarnation((job.incarnation for job in seen.jobs), self._incarnation)
        if usurper is not None:
            held = {"*": f"a newer factory with this id is at work: {usurper}"}
        return OrphanRules(
            apart_s=factory.audit_interval,
            fresh_s=2 * factory.update_interval,
            reaps=factory.orphans == "terminate",
            hands_off=held,
        )

    def _say_gone(self, orphans: Iterable[Orphan], seen: Snapshot) -> None:
        """Log which orphans of the last audit are none any more, before this one is the last."""
        there = {orphan.key for orphan in orphans}
        for orphan in self.audited.orphans:
            if orphan.key in there:
                continue
            if orphan.account and orphan.account not in seen.clouds:
                text = "orphan %s %s is out of sight and not ended: no section has its account any more (%s)"
                log.warning(text, orphan.kind, orphan.name, orphan.account)
            else:
                log.info("orphan %s %s is gone", orphan.kind, orphan.name)

    def _tell(self, orphans: Iterable[Orphan], outcomes: Mapping[str, str | None], unknown: Collection[str]) -> None:
        """Log what is new or was done, and add it to the journal."""
        for text in unknown:
            log.warning('audit unknown="%s"', text)
        steps = {(orphan.kind, orphan.name): orphan.step for orphan in orphans}
        told: dict[str, list[Orphan]] = {}
        for orphan in orphans:
            if orphan.name in outcomes or self._said.get((orphan.kind, orphan.name)) is not orphan.step:
                told.setdefault(orphan.queue, []).append(orphan)
        self._said = steps
        for queue, found in told.items():
            for orphan in found:
                failed = outcomes.get(orphan.name)
                log.log(
                    logging.INFO if failed is None else logging.ERROR, 'queue=%s orphan %s %s step=%s reason="%s"%s',
                    queue, orphan.kind, orphan.name, orphan.step.value, orphan.why,
                    "" if failed is None else f' failed="{failed}"',
                )  # fmt: skip
            try:
                self._statedir.add_to_journal(_entry(queue, found, outcomes, self.audited.ended))
            except OSError as error:
                log.error('statedir=%s failed="%s"', self._statedir.path, error)


def summarize(scene: AuditSnapshot, orphans: Iterable[Orphan]) -> AuditResult:
    """What the rounds may conclude of VM jobs that they miss; when the audit began is a steady time."""
    return AuditResult(
        began=scene.tick,
        ended=scene.inventory.ended,
        counted=frozenset(orphan.vm for orphan in orphans if orphan.counts and orphan.job is None),
    )


def exempt_queues(pauses: Pauses, seen: Snapshot) -> dict[str, str]:
    """Queues and accounts of which nothing is touched, and why; ``*``: all, whatever queue it is of.

    A key pair is of no queue: it is left alone while a queue that uses its account is paused.
    """
    names = {queue for cloud in seen.clouds.values() for queue in cloud.queues}
    names |= {line.queue for line in seen.inventory.records}
    names |= {each.queue for line in seen.inventory.records for each in line.instances}
    found = pauses.reasons({*names, "*"})
    users = {key: sorted(cloud.queues & found.keys()) for key, cloud in seen.clouds.items()}
    return found | {key: found[queues[0]] for key, queues in users.items() if queues}


def _entry(queue: str, found: Iterable[Orphan], outcomes: Mapping[str, str | None], now: float) -> dict[str, Any]:
    """What an audit adds to the journal for one queue."""
    found = tuple(found)
    return {
        "queue": queue,
        "decided": now,
        "outcome": "audit",
        "orphans": [f"{o.kind} {o.name}: {o.step.value}: {o.why}" for o in found if o.name not in outcomes],
        "actions": [
            {
                "kind": COMMANDS[orphan.step],
                "what": f"orphan {orphan.kind} {orphan.name}",
                "reason": orphan.why,
                "jobs": [str(orphan.job.job)] if orphan.job is not None else [],
                "error": outcomes[orphan.name],
            }
            for orphan in found
            if orphan.name in outcomes
        ],
    }
