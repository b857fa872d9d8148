"""Record of each round: log, monitors, status.json, journal, health.json."""

from __future__ import annotations

import itertools
import json
import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

from factory.audit.result import AuditReport
from factory.config.queues import Config
from factory.decide.decision import Round
from factory.lifecycle.leases import format_utc
from factory.model.actions import Outcome, Release, Remove
from factory.model.memory import FitMemory, Health, Memory
from factory.model.source import Reading
from factory.report.monitors import MonitorDispatcher
from factory.report.status import action_target, decision_report, log_line, status_report
from factory.state.directory import StateDir, write_private
from factory.state.health_file import dump_health, load_health
from factory.state.saved_memory import SavedMemory, load_memory

log = logging.getLogger("apf")


@dataclass(frozen=True)
class BrokenRounds:
    """Rounds in a row that an unexpected error ended."""

    error: str
    since: float
    times: int = 1


@dataclass(frozen=True)
class Knowledge:
    """Readings, audit and memory of the factory at the end of a round."""

    readings: Collection[Reading]
    audit: AuditReport
    saved: SavedMemory


class Recorder:
    """Keeps the last report of each queue and writes the files that people and programs read.

    A file that can't be written, on a full disk for example, is logged and stops nothing.
    """

    def __init__(self, statedir: StateDir, incarnation: str) -> None:
        self.broken: BrokenRounds | None = None
        """Last rounds that failed; shown in status.json until a round succeeds."""
        self._statedir = statedir
        self._incarnation = incarnation
        self._dispatcher = MonitorDispatcher()
        self._health_file = _read(statedir.health)
        self._reports: dict[str, dict[str, Any]] = {}
        self._logged_problems: frozenset[str] = frozenset()
        self._logged_kept: set[tuple[str, str]] = set()

    def stop(self) -> None:
        """Let the monitors receive the reports that are still queued."""
        self._dispatcher.stop()

    def keep_only(self, queues: Iterable[str]) -> None:
        """Drop the reports of all other queues."""
        names = set(queues)
        self._reports = {name: report for name, report in self._reports.items() if name in names}

    def record(
        self, config: Config, round_: Round, outcomes: Iterable[Outcome], knowledge: Knowledge, now: float
    ) -> None:
        """Log a round, send it to the monitors, and write status, journal and health."""
        by_queue: dict[str, list[Outcome]] = defaultdict(list)
        for outcome in outcomes:
            by_queue[outcome.action.queue].append(outcome)
        queues = {queue.name: queue for queue in config.all_queues}
        for decision in round_.decisions:
            report = decision_report(decision, by_queue[decision.queue], round_.now)
            self._reports[decision.queue] = report
            log.info("%s", log_line(report))
            for monitor in queues[decision.queue].monitors:
                self._dispatcher.send(monitor, report)
        self._log_problems(knowledge.readings)
        self._log_kept(itertools.chain(*by_queue.values()), knowledge.saved.memory)
        self.write_status(config, knowledge, now)
        try:
            for decision in round_.decisions:
                self._statedir.add_to_journal({**self._reports[decision.queue], "vms": None})
            self._write_health(config, knowledge.saved.memory.health)
        except (OSError, TypeError, ValueError) as error:  # also values from plugins that JSON can't encode
            log.error('statedir=%s failed="%s"', self._statedir.path, error)

    def _log_problems(self, readings: Iterable[Reading]) -> None:
        """Log each ad that can't be read once, until it can be read again."""
        problems = frozenset(f'source="{each.key}" note="{text}"' for each in readings for text in each.problems)
        for line in sorted(problems - self._logged_problems):
            log.warning("%s", line)
        self._logged_problems = problems

    def _log_kept(self, outcomes: Iterable[Outcome], memory: Memory) -> None:
        """Log once which job keeps a VM from being ended; its owner can have written that into its ad."""
        kept = {
            (outcome.action.vm.uuid, str(outcome.kept_by)): outcome.action
            for outcome in outcomes
            if outcome.kept_by is not None and isinstance(outcome.action, Remove | Release) and outcome.action.vm
        }
        for (uuid, job), action in sorted(kept.items(), key=itemgetter(0)):
            if (uuid, job) not in self._logged_kept:
                log.warning('queue=%s vm=%s job="%s" note="%s"', action.queue, uuid, job, _kept_text(action))
        known = memory.vms.keys() | memory.unseen.keys()
        self._logged_kept = {key for key in self._logged_kept | kept.keys() if key[0] in known}

    def write_status(self, config: Config, knowledge: Knowledge, now: float) -> None:
        """Write status.json."""
        status = status_report(
            config.factory.id, self._incarnation, self._reports, knowledge.readings, config.disabled, now, self.broken,
            knowledge.audit.report(), knowledge.saved,
        )  # fmt: skip
        try:
            self._statedir.write_status(status)
        except (OSError, TypeError, ValueError) as error:
            log.error('statedir=%s failed="%s"', self._statedir.path, error)

    def _write_health(self, config: Config, health: Mapping[str, Health]) -> None:
        text = dump_health(health, config.all_queues)
        if text != self._health_file:
            write_private(self._statedir.health, text)
            self._health_file = text


def saved_memory(statedir: StateDir, config: Config, now: float) -> Memory:
    """Return what a process that starts takes over from an earlier one: health of the queues, facts on machines."""
    try:
        fit = load_memory(json.loads(_read(statedir.status))["known"]).memory.fit
    except (KeyError, TypeError, ValueError):
        fit = FitMemory()
    kept = FitMemory(facts=fit.facts, rooms=fit.rooms, doubts=fit.doubts)
    return Memory(health=load_health(_read(statedir.health), config.all_queues, now), fit=kept)


def log_outcomes(outcomes: Iterable[Outcome]) -> None:
    """Log a line for each action that was carried out or failed."""
    for outcome in outcomes:
        action, level = outcome.action, logging.INFO if outcome.error is None else logging.ERROR
        level = level if outcome.kept_by is None else logging.DEBUG  # the recorder logs it once
        failed = "" if outcome.error is None else f' failed="{outcome.error}"'
        kind = type(action).__name__.lower()
        log.log(level, 'queue=%s %s %s reason="%s"%s', action.queue, kind, action_target(action), action.reason, failed)


def _kept_text(action: Remove | Release) -> str:
    """Return how long a job that says that it runs on a VM keeps it."""
    if isinstance(action, Remove) and action.jobs_keep_until is not None:
        until = format_utc(action.jobs_keep_until)
        return f"the job's ad says that it runs on this VM, which is proven empty; the VM ends after {until}"
    end = action.vm.lease_end if action.vm is not None else None
    until = "its lease ends" if end is None else f"its lease ends at {format_utc(end)}"
    return f"the job's ad says that it runs on this VM, which is not in the pool; the VM is kept until {until}"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # no earlier factory, or a fault that write_status logs
