"""How the factory lives: marks queues due, runs rounds, rereads its configuration, ends."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from apscheduler.schedulers.background import BackgroundScheduler

from factory.act import Actor, After, nothing
from factory.actions import Outcome, Release, Retire, Unretire
from factory.cleanlogs import clean_logs
from factory.condor.vmjobs import VMJobRows
from factory.config import load
from factory.config.settings import Config, ConfigError, Queue
from factory.decide import Round, decide
from factory.faults import PluginHung
from factory.health import Health, with_resets
from factory.observe import Observer
from factory.pauses import PausesError, read_pauses
from factory.report import decision_report, log_line, status_report, what
from factory.statedir import StateDir
from factory.tell import Teller
from factory.track import Memory, remember_sent
from factory.watchdog import Watchdog
from factory.workers import Workers
from factory.world import make_world

log = logging.getLogger("apf")

_GIVE_UP_S = 8
"""After SIGTERM a round may run for so long; what it did not finish, the next factory finds in the schedd."""

_GATHER_S = 0.05
_GATHER_MOST_S = 0.5
"""A round waits so long for further queues to become due, after the last one and after the first."""

_CLEANLOGS = " cleanlogs"
"""Id of a scheduler job; no queue has a name that begins with a blank."""

_SIGNAL = " signal"
"""Among the names of queues that are due."""


class Daemon:
    """The factory as a process. ``after`` is called after each step of each action."""

    def __init__(self, paths: Sequence[Path], after: After = nothing) -> None:
        self._paths = paths
        self._after = after
        self.config: Config = load(paths)
        self.incarnation = f"{time.time():.3f} {socket.gethostname()} {os.getpid()}"
        self._statedir = StateDir(self.config.factory.statedir, self.config.factory.id)
        self._memory = Memory()
        self._acted: dict[str, float] = {}
        self._orphaned: Counter[str] = Counter()
        self._reports: dict[str, dict[str, Any]] = {}
        # A signal handler may interrupt whoever holds the lock of an Event; SimpleQueue.put has none to wait for.
        self._events: SimpleQueue[str] = SimpleQueue()
        self._beat = datetime.now(UTC)
        """From here the times are counted at which queues are due."""
        self._stop = False
        self._reload = False

    def run(self, once: bool = False) -> None:
        """Run rounds until SIGTERM; with ``once``, one round of all queues.

        Raises:
            StateDirError: the state directory can't be used, or another factory holds it.
        """
        self._statedir.open()
        lock = self._statedir.lock()
        self._workers = Workers(self._statedir.workers_lock)
        self._observer = Observer(self._workers)
        self._teller = Teller()
        self._keep_fds = (lock,)
        for warning in self.config.warnings:
            log.warning("%s", warning)
        try:
            with Watchdog():
                if once:
                    self._round({queue.name for queue in self.config.watched})
                else:
                    self._serve()
            self._teller.stop()
        finally:
            self._workers.stop()

    def _serve(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._signalled)
        self._scheduler = BackgroundScheduler(timezone="UTC")
        self._schedule()
        self._scheduler.add_job(self._clean_logs, "interval", hours=1, id=_CLEANLOGS, next_run_time=datetime.now(UTC))
        self._scheduler.start()
        log.info(
            "started factory=%s incarnation=%r queues=%d",
            self.config.factory.id,
            self.incarnation,
            len(self.config.queues),
        )
        while True:
            due = self._next_events()
            if self._stop:
                break
            if self._reload:
                self._reload = False
                self._reread()
            due &= {queue.name for queue in self.config.watched}
            if due:
                self._round(due)
        self._scheduler.shutdown(wait=False)
        log.info("ended")

    def _next_events(self) -> set[str]:
        """Wait until a queue is due or a signal has come; all that come with it: one round polls once for all."""
        events = {self._events.get()}
        latest = time.monotonic() + _GATHER_MOST_S
        while _SIGNAL not in events and time.monotonic() < latest:
            try:
                events.add(self._events.get(timeout=_GATHER_S))
            except Empty:
                break
        return events

    def _signalled(self, number: int, frame: object) -> None:
        if number == signal.SIGHUP:
            self._reload = True
        elif not self._stop:
            self._stop = True
            give_up = threading.Timer(_GIVE_UP_S, self._give_up)
            give_up.daemon = True
            give_up.start()
        self._events.put(_SIGNAL)

    def _give_up(self) -> None:
        log.warning("ending in the middle of a round: it took longer than %d s", _GIVE_UP_S)
        logging.shutdown()
        os._exit(0)

    def _mark(self, queue: str) -> None:
        self._events.put(queue)

    def _schedule(self) -> None:
        """One scheduler job for each queue; unchanged queues keep theirs, and so their rhythm.

        Queues with equal ``apfqueue.sleep`` are due at the same moments, so that one poll serves them all.
        """
        wanted = {queue.name: queue.settings.sleep for queue in self.config.watched}
        known = {job.id: job for job in self._scheduler.get_jobs() if job.id != _CLEANLOGS}
        for name in known.keys() - wanted.keys():
            self._scheduler.remove_job(name)
        for name, sleep in wanted.items():
            if name in known and known[name].trigger.interval.total_seconds() == sleep:
                continue
            self._scheduler.add_job(
                self._mark, "interval", seconds=sleep, start_date=self._beat, args=(name,), id=name,
                replace_existing=True, coalesce=True, misfire_grace_time=None,
            )  # fmt: skip
            self._mark(name)

    def _clean_logs(self) -> None:
        config = self.config
        base = config.factory.base_log_dir or self._statedir.logs
        try:
            removed = clean_logs(base, config, datetime.now(UTC).date())
        except OSError as error:
            log.error('logs=%s failed="%s"', base, error)
        else:
            log.debug("logs=%s removed=%d", base, removed)

    def _reread(self) -> None:
        try:
            config = load(self._paths)
        except PluginHung as error:
            log.error("configuration not reread: a plugin %s", error)
            return
        except ConfigError as error:
            for problem in error.problems:
                log.error("configuration not reread: %s", problem)
            log.error("the configuration in force stays as it is; run 'apf check' on the new one")
            return
        old = self.config.factory
        if (config.factory.statedir, config.factory.id) != (old.statedir, old.id):
            log.error(
                "configuration not reread: factoryId and statedir can't change while the factory runs; restart it"
            )
            return
        known = {queue.name: queue.text for queue in self.config.watched}
        changed = {queue.name: Health() for queue in config.watched if queue.text != known.get(queue.name)}
        self._memory = replace(self._memory, health={**self._memory.health, **changed})
        self.config = config
        self._schedule()
        names = {queue.name for queue in config.watched}
        self._reports = {name: report for name, report in self._reports.items() if name in names}
        self._observer.forget(config.watched)
        log.info("configuration reread queues=%d", len(names))

    def _round(self, due: Collection[str]) -> None:
        started = time.time()
        capped = self.config.factory.max_per_factory is not None  # the sum over all queues must be known
        queues = [queue for queue in self.config.watched if capped or queue.name in due]
        self._observer.observe(queues, self.config.watched, self._acted)
        self._name_orphaned()
        now = time.time()
        self._memory = replace(self._memory, health=with_resets(self._memory.health, self._statedir.read_resets()))
        world = make_world(
            now, self._observer.readings, self._memory, self._acted, self.incarnation,
            2 * self.config.factory.update_interval, self._paused(), self._observer.faults,
        )  # fmt: skip
        self._memory = world.memory
        round_ = decide(self.config, world, due)
        self._memory = replace(self._memory, fit=round_.memory, health={**self._memory.health, **round_.health})
        outcomes = self._act(round_)
        self._report(round_, outcomes)
        self._sweep(now)
        log.debug("round queues=%d took_s=%.2f", len(due), time.time() - started)

    def _name_orphaned(self) -> None:
        """Say, once, whose VMs nobody looks after: a section that was removed or renamed while it had some."""
        configured = {queue.name for queue in self.config.watched}
        rows = [reading.rows for reading in self._observer.readings.values() if isinstance(reading.rows, VMJobRows)]
        found = Counter(job.queue for row in rows for job in row.jobs if job.queue not in configured)
        if found != self._orphaned:
            self._orphaned = found
            for queue, n in sorted(found.items()):
                log.warning(
                    'queue=%s vm_jobs=%d reason="not configured: they end by themselves and count nowhere; '
                    'keep its section with enabled = False until they are gone"', queue, n,
                )  # fmt: skip

    def _paused(self) -> dict[str, str]:
        """The queues that somebody paused, and why; all of them, if that can't be known."""
        names = [queue.name for queue in self.config.watched]
        try:
            return read_pauses(self._statedir.paused).reasons(names)
        except PausesError as error:
            log.error("%s", error)
            return dict.fromkeys(names, f"what is paused is unknown: {error}")

    def _act(self, round_: Round) -> tuple[Outcome, ...]:
        actions = round_.actions
        if not actions:
            return ()
        actor = Actor(self.config, self._workers, self._statedir, self.incarnation, self._keep_fds, self._after)
        outcomes = actor.act(actions)
        ended = time.time()
        self._acted.update(dict.fromkeys({action.queue for action in actions}, ended))
        told = {action.vm.uuid for action in actions if isinstance(action, Retire | Unretire | Release)}
        self._memory = remember_sent(self._memory, told, ended)
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
                self._teller.tell(monitor, report)
        self._record(round_)

    def _record(self, round_: Round) -> None:
        """Status and journal; a full disk is said and stops nothing."""
        config = self.config
        status = status_report(
            config.factory.id, self.incarnation, self._reports, self._observer.readings.values(),
            config.disabled, round_.now,
        )  # fmt: skip
        try:
            self._statedir.write_status(status)
            for decision in round_.decisions:
                self._statedir.add_to_journal({**self._reports[decision.queue], "vms": None})
        except (OSError, TypeError, ValueError) as error:  # also what a plugin said that is no JSON
            log.error('statedir=%s failed="%s"', self._statedir.path, error)

    def _queue(self, name: str) -> Queue:
        return next(queue for queue in self.config.watched if queue.name == name)

    def _sweep(self, now: float) -> None:
        """Remove user-data that no VM job needs any more, by a poll that has seen all our acts."""
        last_act = max(self._acted.values(), default=0)
        for reading in self._observer.readings.values():
            if isinstance(reading.rows, VMJobRows) and reading.usable(now, last_act) is None:
                waiting = [job.uuid for job in reading.rows.jobs if job.instance is None and job.status not in (3, 4)]
                try:
                    self._statedir.sweep_userdata(waiting, reading.started)
                except OSError as error:
                    log.error('userdata=%s failed="%s"', self._statedir.userdata, error)
