"""One round after the other: observe, decide, act, report. An error in one of them ends no other."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from factory.act.actor import Actor, Hook, no_hook
from factory.audit.result import AuditReport
from factory.config.queues import Config, Queue
from factory.config.removed import add_removed_queues, template_queue
from factory.decide.cascade import also_decide
from factory.decide.decide import decide
from factory.decide.decision import Round
from factory.health.breakers import apply_resets
from factory.model.actions import Outcome, Remove, commands_sent
from factory.model.job_status import FINISHED
from factory.model.memory import Health, Memory
from factory.model.vm_job import VMJobRows
from factory.observe.observer import Observer
from factory.process.clock import Clock
from factory.process.faults import fault
from factory.process.poll import trim_heap
from factory.process.workers import Workers
from factory.report.monitors import MonitorDispatcher
from factory.report.status import decision_report, log_line, status_report, what
from factory.state.directory import StateDir, write_private
from factory.state.health_file import dump_health, load_health
from factory.state.pauses import PausesError, read_pauses
from factory.state.saved_memory import SavedMemory
from factory.world.build import make_world
from factory.world.clock_step import shift_times
from factory.world.tracking import remember_refused, remember_sent
from factory.world.vanished_jobs import mark_removed

log = logging.getLogger("apf")

GIVE_UP = 20
"""Rounds in a row that an error ended: then the process ends, for its service manager to start it anew."""


class RoundsBroken(Exception):
    """So many rounds in a row ended with an unexpected error that a new process may do better."""


@dataclass(frozen=True)
class Broken:
    """Rounds that an unexpected error ended, in a row."""

    error: str
    since: float
    times: int = 1


class Rounds:
    """What the process knows from round to round, and how a round goes."""

    def __init__(
        self,
        config: Config,
        workers: Workers,
        statedir: StateDir,
        incarnation: str,
        keep_fds: tuple[int, ...] = (),
        after: Hook = no_hook,
        clock: Clock | None = None,
        audited: Callable[[], AuditReport] = AuditReport,
        missed: Callable[[], None] = lambda: None,
        unasked: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        self.config = config
        self.incarnation = incarnation
        self._workers = workers
        self._statedir = statedir
        self._keep_fds = keep_fds
        self._after = after
        self._clock = clock or Clock()
        self._audited = audited
        self._missed = missed
        self._unasked = unasked
        self._observer = Observer(workers, self._clock)
        self._dispatcher = MonitorDispatcher()
        self._kept = _read(statedir.health)
        self._memory = Memory(health=load_health(self._kept, config.all_queues, self._clock.now()))
        self._acted: dict[str, float] = {}
        """The steady time at which each queue's last act ended."""
        self._orphaned: Counter[str] = Counter()
        self._reports: dict[str, dict[str, Any]] = {}
        self._broken: Broken | None = None

    def stop(self) -> None:
        """Let the monitors be told what is left to tell."""
        self._dispatcher.stop()

    def reconfigure(self, config: Config) -> None:
        """Go on with another configuration. What is known of the launches of changed queues is forgotten."""
        known = {queue.name: queue.text for queue in self.config.all_queues}
        changed = {queue.name: Health() for queue in config.all_queues if queue.text != known.get(queue.name)}
        self._memory = replace(self._memory, health={**self._memory.health, **changed})
        self.config = config
        names = {queue.name for queue in config.all_queues}
        self._reports = {name: report for name, report in self._reports.items() if name in names}
        self._observer.forget(config.all_queues)

    def guarded(self, due: Collection[str]) -> None:
        """One round; whatever ends it early is logged, shown in the status, and left behind.

        Raises:
            RoundsBroken: that happened ``GIVE_UP`` times in a row.
        """
        try:
            self.run(due)
        except BaseException as error:
            log.exception("the round of %s was ended by an unexpected error", ", ".join(sorted(due)))
            before = self._broken
            since, times = (self._clock.now(), 1) if before is None else (before.since, before.times + 1)
            self._broken = Broken(fault(error), since, times)
            self._write_status()
            if times >= GIVE_UP:
                text = f"{times} rounds in a row were ended by an unexpected error: {fault(error)}"
                raise RoundsBroken(text) from None
        else:
            if self._broken is not None:
                self._broken = None
                self._write_status()

    def run(self, due: Collection[str]) -> None:
        """One round, all the way."""
        by_s = self._clock.adopt_step()
        if by_s:
            log.warning("the clock of this host was set by %.1f s: what is remembered moves with it", by_s)
            self._memory = shift_times(self._memory, by_s)
        started = self._clock.now()
        config = self.config
        whole = any(plugin.whole_factory for queue in config.queues for plugin in queue.sched)
        capped = config.factory.max_per_factory is not None or whole  # the sum over all queues must be known
        deciding = {*due, *also_decide(config.queues, due)}
        queues = [queue for queue in config.all_queues if capped or queue.name in deciding]
        self._observer.observe(queues, self.config.all_queues, self._acted)
        self._adopt()
        like = template_queue(self.config)
        if like is not None and like.name in due:
            due = {*due, *(queue.name for queue in self.config.removed)}
        now = self._clock.now()
        self._memory = replace(
            self._memory, health=apply_resets(self._memory.health, self._statedir.read_resets(), now)
        )
        acted = {queue: self._clock.at(moment) for queue, moment in self._acted.items()}
        unasked, audited = self._unasked(), self._last_audit()  # in this order: what was asked in between is in both
        world = make_world(
            now, self._observer.readings, self._memory, acted, self.incarnation,
            2 * self.config.factory.update_interval, self._paused(), self._observer.faults,
            audited.counts, audited.result, unasked,
        )  # fmt: skip
        if world.memory.missing.keys() - self._memory.missing.keys() or (unasked and self._vm_jobs()):
            self._missed()
        self._memory = world.memory
        round_ = decide(self.config, world, due)
        self._memory = replace(self._memory, fit=round_.memory, health={**self._memory.health, **round_.health})
        for decision in round_.decisions:
            if decision.broken is not None:
                log.error("queue=%s an unexpected error: %s", decision.queue, decision.broken)
        outcomes = self._act(round_)
        self._report(round_, outcomes)
        self._sweep(now)
        del world, round_, outcomes
        trim_heap()
        log.debug("round queues=%d took_s=%.2f", len(due), self._clock.now() - started)

    def _adopt(self) -> None:
        """Tend the VMs of sections that were removed or renamed while they had some."""
        configured = {queue.name for queue in self.config.all_queues} - {queue.name for queue in self.config.removed}
        rows = self._vm_jobs()
        if not rows:
            return  # what is unknown ends nothing (rule 2)
        found = Counter(job.queue for row in rows for job in row.jobs if job.queue not in configured)
        if found.keys() != {queue.name for queue in self.config.removed}:
            self.config = add_removed_queues(self.config, found)
            names = {queue.name for queue in self.config.all_queues}
            self._reports = {name: report for name, report in self._reports.items() if name in names}
        if found != self._orphaned:
            self._orphaned = found
            like = template_queue(self.config)
            how = "they end by themselves and count nowhere" if like is None else f"tended as {like.settings.name} says"
            for queue, n in sorted(found.items()):
                log.warning(
                    'queue=%s vm_jobs=%d reason="not configured: %s; keep its section with enabled = False until they '
                    'are gone"', queue, n, how,
                )  # fmt: skip

    def _last_audit(self) -> AuditReport:
        """Its times by the host's clock, as it stands now."""
        audited = self._audited()
        return replace(audited, result=replace(audited.result, began=self._clock.at(audited.result.began)))

    def _vm_jobs(self) -> list[VMJobRows]:
        return [each.rows for each in self._observer.readings.values() if isinstance(each.rows, VMJobRows)]

    def _paused(self) -> dict[str, str]:
        """The queues that somebody paused, and why; all of them, if that can't be known."""
        names = [queue.name for queue in self.config.all_queues]
        try:
            return read_pauses(self._statedir.paused).reasons(names)
        except PausesError as error:
            log.error("%s", error)
            return dict.fromkeys(names, f"what is paused is unknown: {error}")

    def _act(self, round_: Round) -> tuple[Outcome, ...]:
        actions = round_.actions
        if not actions:
            return ()
        actor = Actor(
            self.config, self._workers, self._statedir, self.incarnation, self._keep_fds, self._after,
            self._observer.silent,
        )  # fmt: skip
        outcomes: tuple[Outcome, ...] = ()
        try:
            outcomes = actor.act(actions)
        finally:  # whatever happened: only a later poll shows what came of it (rule 3)
            self._acted.update(dict.fromkeys({action.queue for action in actions}, self._clock.steady()))
            not_told = {id(outcome.action) for outcome in outcomes if not outcome.tried}
            commands = commands_sent(action for action in actions if id(action) not in not_told)
            self._memory = remember_sent(self._memory, commands, self._clock.now())
            removed = (action.vm.uuid for action in actions if isinstance(action, Remove) and action.vm is not None)
            self._memory = mark_removed(self._memory, frozenset(removed))
            done = {
                outcome.action.vm.uuid: outcome.error is None
                for outcome in outcomes
                if isinstance(outcome.action, Remove) and outcome.action.vm is not None
            }
            self._memory = remember_refused(self._memory, done)
        for outcome in outcomes:
            action, level = outcome.action, logging.INFO if outcome.error is None else logging.ERROR
            failed = "" if outcome.error is None else f' failed="{outcome.error}"'
            kind = type(action).__name__.lower()
            log.log(level, 'queue=%s %s %s reason="%s"%s', action.queue, kind, what(action), action.reason, failed)
        return outcomes

    def _report(self, round_: Round, outcomes: Sequence[Outcome]) -> None:
        by_queue: dict[str, list[Outcome]] = defaultdict(list)
        for outcome in outcomes:
            by_queue[outcome.action.queue].append(outcome)
        for decision in round_.decisions:
            report = decision_report(decision, by_queue[decision.queue], round_.now)
            self._reports[decision.queue] = report
            log.info("%s", log_line(report))
            for monitor in self._queue(decision.queue).monitors:
                self._dispatcher.send(monitor, report)
        self._record(round_)

    def _record(self, round_: Round) -> None:
        """Status and journal; a full disk is said and stops nothing."""
        self._write_status()
        try:
            for decision in round_.decisions:
                self._statedir.add_to_journal({**self._reports[decision.queue], "vms": None})
            self._keep_health()
        except (OSError, TypeError, ValueError) as error:  # also what a plugin said that is no JSON
            log.error('statedir=%s failed="%s"', self._statedir.path, error)

    def _keep_health(self) -> None:
        """Write down what a restart need not forget, when it has changed."""
        now = dump_health(self._memory.health, self.config.all_queues)
        if now != self._kept:
            write_private(self._statedir.health, now)
            self._kept = now

    def _write_status(self) -> None:
        config, audited = self.config, self._last_audit()
        status = status_report(
            config.factory.id, self.incarnation, self._reports, self._observer.readings.values(), config.disabled,
            self._clock.now(), self._broken, audited.report(),
            SavedMemory(self._memory, audited.counts, audited.result, self._unasked()),
        )  # fmt: skip
        try:
            self._statedir.write_status(status)
        except (OSError, TypeError, ValueError) as error:
            log.error('statedir=%s failed="%s"', self._statedir.path, error)

    def _queue(self, name: str) -> Queue:
        return next(queue for queue in self.config.all_queues if queue.name == name)

    def _sweep(self, now: float) -> None:
        """Remove user-data that no VM job needs any more, by a poll that has seen all our acts."""
        last_act = max((self._clock.at(moment) for moment in self._acted.values()), default=0.0)
        for reading in self._observer.readings.values():
            if isinstance(reading.rows, VMJobRows) and reading.usable(now, last_act) is None:
                waiting = [job.uuid for job in reading.rows.jobs if job.instance is None and job.status not in FINISHED]
                try:
                    self._statedir.sweep_userdata(waiting, reading.started)
                except OSError as error:
                    log.error('userdata=%s failed="%s"', self._statedir.userdata, error)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # the first factory here, or a fault that write_status says
