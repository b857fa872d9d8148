"""How the factory lives: marks queues due, runs rounds, rereads its configuration, ends."""

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
"""After SIGTERM a round may run for so long; what it did not finish, the next factory finds in the schedd."""

_GATHER_S = 0.05
_GATHER_MOST_S = 0.5
"""A round waits so long for further queues to become due, after the last one and after the first."""

_LOOK_S = 1
"""While nothing is due, the clock is looked at so often."""

_FIRST_AUDIT_S, _FIRST_LOOK_S = 30, 0.02
"""The first round waits for the first audit so long at most, and looks so often: a cloud may hang (rule 12)."""

_CLEANLOGS = " cleanlogs"
"""Id of a scheduler job; no queue has a name that begins with a blank."""

_SIGNAL = " signal"
"""Among the names of queues that are due."""


_FIXED = {"factoryId": "id", "statedir": "statedir", "schedd": "schedd", "pool": "pool", "owner": "owner"}
"""Keys of [Factory] by which it finds its own machines: another value would hide them all, and buy them anew."""


def _of(config: Config, field: str) -> object:
    return getattr(config.factory, field)


class Daemon:
    """The factory as a process, made in its main thread. ``after`` is called after each step of each action."""

    def __init__(self, paths: Sequence[Path], after: Hook = no_hook) -> None:
        self._paths = paths
        self._after = after
        # A signal handler may interrupt whoever holds the lock of an Event; SimpleQueue.put has none to wait for.
        self._events: SimpleQueue[str] = SimpleQueue()
        self._stop = False
        self._reload = False
        # From here on, since it may be long until it serves: it waits for the processes of a predecessor.
        signal.signal(signal.SIGHUP, self._signalled)
        self.config: Config = load(paths)
        self._statedir = StateDir(self.config.factory.statedir, self.config.factory.id)
        self._clock = Clock()
        self._beat = datetime.now(UTC)
        """From here the times are counted at which queues are due; it moves with the clock when that is set."""

    def run(self, once: bool = False) -> None:
        """Run rounds until SIGTERM; with ``once``, one round of all queues.

        Raises:
            StateDirError: the state directory can't be used, or another factory holds it.
            RoundsBroken: one round after the other was ended by an unexpected error.
        """
        self._statedir.open()
        lock = self._statedir.lock()
        incarnation = f"{self._statedir.next_start(time.time()):.3f} {socket.gethostname()} {os.getpid()}"
        workers = Workers(self._statedir.workers_lock)
        self._reaper = Reaper(self.config, workers, self._statedir, incarnation, (lock,))
        self._rounds = Rounds(
            self.config,
            workers,
            self._statedir,
            incarnation,
            (lock,),
            self._after,
            audited=lambda: self._reaper.last_report,
            missed=self._reaper.wake,
            unasked=lambda: self._reaper.unasked,
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
        """Nothing is bought before it is known which instances no VM job owns: they count for the caps (rule 6).

        So a round before that would be in vain, unless there are queues without a cloud.
        """
        until = steady() + _FIRST_AUDIT_S
        while not self._reaper.first_done and not self._stop:
            if steady() >= until:
                text = "the first audit takes longer than %d s: no VM is bought before it ends"
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
            log.error('metrics=%s failed="%s": nobody can ask; the factory goes on', address, error)

    def _next_events(self) -> set[str]:
        """Wait until a queue is due or a signal has come; all that come with it: one round polls once for all."""
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
        """If the host's clock was set, what is due when is set by as much: the scheduler compares with that clock."""
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
        log.warning("ending in the middle of a round: it took longer than %d s", _GIVE_UP_S)
        logging.shutdown()
        os._exit(0)

    def _mark(self, queue: str) -> None:
        self._events.put(queue)

    def _schedule(self) -> None:
        """One scheduler job for each queue; unchanged queues keep theirs, and so their rhythm.

        Queues with equal ``apfqueue.sleep`` are due at the same moments, so that one poll serves them all.
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
            log.error("the configuration in force stays as it is; run 'apf check' on the new one")
            return
        fixed = [name for name, field in _FIXED.items() if _of(config, field) != _of(self.config, field)]
        if fixed:
            names = " and ".join(fixed)
            log.error("configuration not reread: %s can't change while the factory runs; restart it", names)
            return
        for warning in config.warnings:
            log.warning("%s", warning)
        if config.factory.metrics != self.config.factory.metrics:
            log.warning("metrics is read when the factory starts; restart it")
        self.config = self._reaper.config = config
        self._rounds.reconfigure(config)
        self._schedule()
        self._reaper.wake()  # there may be other accounts, or another interval
        log.info("configuration reread queues=%d", len(config.all_queues))
