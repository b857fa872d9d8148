"""The daemon: schedule queues, run rounds, reread the configuration on SIGHUP, end on SIGTERM."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Empty, SimpleQueue

from apscheduler.schedulers.background import BackgroundScheduler

from factory.act.actor import Hook, no_hook
from factory.audit.reaper import Reaper
from factory.config import load
from factory.config.problems import ConfigError
from factory.config.queues import Config
from factory.process.clock import Clock, steady
from factory.process.faults import PluginHung
from factory.process.workers import Workers
from factory.service.rounds import Rounds
from factory.service.watchdog import Watchdog
from factory.state.directory import StateDir
from factory.state.job_logs import clean_logs

log = logging.getLogger("apf")

_GIVE_UP_S = 8
"""Time that a round has after SIGTERM. The next factory finds unfinished work in the schedd."""

_GATHER_S = 0.05
_GATHER_MOST_S = 0.5
"""Time that a round waits for further queues to become due: after the last one, and at most after the first."""

_LOOK_S = 1
"""Interval at which the clock is compared while no queue is due."""

_FIRST_AUDIT_S, _FIRST_LOOK_S = 30, 0.02
"""Longest wait of the first round for the first audit, as a cloud may hang (rule 12); interval of the checks."""

_CLEANLOGS = " cleanlogs"
"""Id of the scheduler job that cleans logs. No queue name begins with a blank."""

_SIGNAL = " signal"
"""Event for a signal, among the names of due queues."""

_FIXED = {"factoryId": "id", "statedir": "statedir", "schedd": "schedd", "pool": "pool", "owner": "owner"}
"""Keys of [Factory] by which the factory finds its VMs. New values would hide all VMs and buy them again."""


def _of(config: Config, field: str) -> object:
    return getattr(config.factory, field)


class Daemon:
    """The factory as a process; create it in the main thread. ``after`` is called after each step of each action."""

    def __init__(self, paths: Sequence[Path], after: Hook = no_hook) -> None:
        self._paths = paths
        self._after = after
        # A signal handler can interrupt the holder of an Event's lock and wait for ever; SimpleQueue.put takes no lock.
        self._events: SimpleQueue[str] = SimpleQueue()
        self._stop = False
        self._reload = False
        # Handle SIGHUP from here on: serving starts late if the processes of a predecessor still run.
        signal.signal(signal.SIGHUP, self._signalled)
        self.config: Config = load(paths)
        self._statedir = StateDir(self.config.factory.statedir, self.config.factory.id)
        self._clock = Clock()
        self._beat = datetime.now(UTC)
        """Start of the intervals at which queues are due; it moves with the clock when that is set."""

    def run(self, once: bool = False) -> None:
        """Run rounds until SIGTERM; with ``once``, run one round of all queues.

        Raises:
            StateDirError: the state directory can't be used, or another factory holds its lock.
            RoundsBroken: ``GIVE_UP`` rounds in a row ended with an unexpected error.
        """
        self._statedir.open()
        lock = self._statedir.lock()
        incarnation = f"{self._statedir.next_start(time.time()):.3f} {socket.gethostname()} {os.getpid()}"
        workers = Workers(self._statedir.workers_lock, marks=self._statedir.marks)
        self._reaper = Reaper(self.config, workers, self._statedir, incarnation, (lock,))
        self._rounds = Rounds(
            self.config,
            workers,
            self._statedir,
            incarnation,
            (lock,),
            self._after,
            last_audit=lambda: self._reaper.last_report,
            wake_audit=self._reaper.wake,
            unaudited=lambda: self._reaper.unaudited,
        )
        for warning in self.config.warnings:
            log.warning("%s", warning)
        try:
            with Watchdog():
                if once:
                    self._reaper.audit_or_log()
                    self._rounds.run({queue.name for queue in self.config.all_queues})
                else:
                    self._serve()
            self._rounds.stop()
        finally:
            self._reaper.stop()
            workers.stop()

    def _serve(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)
        self._scheduler = BackgroundScheduler(timezone="UTC")
        self._schedule()
        self._scheduler.add_job(
            self._clean_logs, "interval", hours=1, start_date=self._beat, id=_CLEANLOGS, next_run_time=self._beat,
            coalesce=True, misfire_grace_time=None,
        )  # fmt: skip
        self._scheduler.start()
        self._reaper.start()
        self._serve_metrics()
        log.info(
            "started factory=%s incarnation=%r queues=%d",
            self.config.factory.id,
            self._rounds.incarnation,
            len(self.config.queues),
        )
        self._await_first_audit()
        while True:
            due = self._next_events()
            if self._stop:
                break
            if self._reload:
                self._reload = False
                self._reread()
            due &= {queue.name for queue in self.config.all_queues}
            if due:
                self._rounds.guarded(due)
        self._scheduler.shutdown(wait=False)
        log.info("ended")

    def _await_first_audit(self) -> None:
        """Wait for the first audit, but not for long. Orphans count for the caps, so no VM is bought before (rule 6).

        In an earlier round only queues without a cloud could buy.
        """
        until = steady() + _FIRST_AUDIT_S
        while not self._reaper.first_done and not self._stop:
            if steady() >= until:
                text = "first audit not finished after %d s; no VM is bought before it ends"
                log.warning(text, _FIRST_AUDIT_S)
                return
            time.sleep(_FIRST_LOOK_S)

    def _serve_metrics(self) -> None:
        address = self.config.factory.metrics
        if address is None:
            return
        from factory.report import metrics

        try:
            metrics.serve_metrics(address, self._statedir.status)
        except (OSError, ValueError) as error:
            log.error('metrics=%s failed="%s": metrics are not served; the factory continues', address, error)

    def _next_events(self) -> set[str]:
        """Wait for a due queue or a signal, and gather the events that follow at once, so that one round serves all."""
        events = {self._first_event()}
        latest = time.monotonic() + _GATHER_MOST_S
        while _SIGNAL not in events and time.monotonic() < latest:
            try:
                events.add(self._events.get(timeout=_GATHER_S))
            except Empty:
                break
        return events

    def _first_event(self) -> str:
        while True:
            self._follow_clock()
            try:
                return self._events.get(timeout=_LOOK_S)
            except Empty:
                continue

    def _follow_clock(self) -> None:
        """Move the schedule by as much as the host's clock was set: the scheduler compares with that clock."""
        by_s = self._clock.adopt_step()
        if not by_s:
            return
        self._beat += timedelta(seconds=by_s)
        for job in self._scheduler.get_jobs():
            seconds = job.trigger.interval.total_seconds()
            self._scheduler.reschedule_job(job.id, trigger="interval", seconds=seconds, start_date=self._beat)

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
        log.warning("ending during a round: it did not finish within %d s after SIGTERM", _GIVE_UP_S)
        logging.shutdown()
        os._exit(0)

    def _mark(self, queue: str) -> None:
        self._events.put(queue)

    def _schedule(self) -> None:
        """Keep one scheduler job for each queue; queues with an unchanged ``apfqueue.sleep`` keep their job and rhythm.

        Queues with an equal ``apfqueue.sleep`` are due at the same moments, so that one poll serves them all.
        """
        wanted = {queue.name: queue.settings.sleep for queue in self.config.all_queues}
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
            cleaned = clean_logs(base, config, datetime.now(UTC).date())
        except OSError as error:
            log.error('logs=%s failed="%s"', base, error)
            return
        log.debug("logs=%s removed=%d", base, cleaned.removed)
        if cleaned.failed:
            log.error(
                'logs=%s removed=%d left=%d failed="%s"', base, cleaned.removed, len(cleaned.failed), cleaned.failed[0]
            )

    def _reread(self) -> None:
        try:
            config = load(self._paths)
        except PluginHung as error:
            log.error("configuration not reread: a plugin %s", error)
            return
        except ConfigError as error:
            for problem in error.problems:
                log.error("configuration not reread: %s", problem)
            log.error("the configuration in force stays; run 'apf check' on the new one")
            return
        fixed = [name for name, field in _FIXED.items() if _of(config, field) != _of(self.config, field)]
        if fixed:
            names = " and ".join(fixed)
            log.error("configuration not reread: %s can't change while the factory runs; restart the factory", names)
            return
        for warning in config.warnings:
            log.warning("%s", warning)
        if config.factory.metrics != self.config.factory.metrics:
            log.warning("a new value of metrics takes effect at the next start; restart the factory")
        self.config = self._reaper.config = config
        self._rounds.reconfigure(config)
        self._schedule()
        self._reaper.wake()  # accounts or the interval may have changed
        log.info("configuration reread queues=%d", len(config.all_queues))
