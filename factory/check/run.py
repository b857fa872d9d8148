"""Run all checks of one configuration: files first, then the pool."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from factory.check.authorization import check_authorization
from factory.check.bindings import check_bindings
from factory.check.gahp import check_gahp
from factory.check.limits import check_gahp_log, check_limits
from factory.check.matchmaking import check_matchmaking, check_sizes
from factory.check.policies import check_policies
from factory.check.queues import check_queues, check_readings
from factory.check.statedir import check_statedir
from factory.check.template import sample_jobs
from factory.condor.classad.evaluate import Answer, Question, evaluate
from factory.condor.tools.config_val import DaemonConfig, Matchmaking, read_matchmaking, read_schedd
from factory.condor.tools.gridmanager_config import gridmanager_config
from factory.condor.tools.run import ToolError
from factory.config.queues import Config, Queue
from factory.model.address import PoolAddress
from factory.plugin.base import Plugin, own_schedd
from factory.plugin.finding import Finding
from factory.process.workers import CallFailed, Workers, call_result, one_line
from factory.service.rehearsal import Rehearsal, rehearse

T = TypeVar("T")


@dataclass(frozen=True)
class CheckResult:
    """Findings, and a dry-run round; ``rehearsal`` is None if the pool was not checked."""

    findings: tuple[Finding, ...]
    rehearsal: Rehearsal | None

    @property
    def good(self) -> bool:
        """True if no finding is an error."""
        return all(finding.severity != "error" for finding in self.findings)


def run_checks(config: Config, offline: bool = False) -> CheckResult:
    """Check a valid configuration; with ``offline``, without the pool. Changes nothing anywhere."""
    findings = list(_local(config))
    broken = {finding.section for finding in findings if finding.severity == "error"}
    samples = sample_jobs([queue for queue in config.queues if queue.name not in broken], config.factory)
    findings += samples.findings
    missing = [] if offline else list(check_bindings())
    if offline or missing:
        return CheckResult(_sorted([*missing, *findings]), None)
    workers = Workers()
    try:
        in_pool = _Pool(config, workers)
        rehearsal = rehearse(config, workers)
        findings += in_pool.findings(samples.ads)
    finally:
        workers.stop()
    findings += [Finding("unchecked", f"{reading.key}: {reading.error}") for reading in rehearsal.failed]
    return CheckResult(_sorted(findings), rehearsal)


def _sorted(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings by severity, without duplicates."""
    order = ("error", "warning", "unchecked")
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: order.index(finding.severity)))


def _local(config: Config) -> Iterator[Finding]:
    """Run the checks that need no daemon."""
    yield from _account(config)
    yield from check_statedir(config.factory)
    yield from check_queues(config.queues)
    yield from check_readings(config.queues)
    yield from check_sizes(config.queues)
    for queue in config.queues:
        for plugin in _plugins(queue):
            try:
                yield from plugin.check()
            except Exception as error:  # noqa: BLE001  a plugin may raise anything
                text = f"check() of {plugin.category} plugin {plugin.name} failed: {one_line(error)}"
                yield Finding("error", text, queue.name)


def _account(config: Config) -> Iterator[Finding]:
    """Yield a warning if this account is not the one the factory runs as: files are checked as this account."""
    try:
        owner = pwd.getpwnam(config.factory.owner).pw_uid
    except KeyError:
        return
    if owner != os.geteuid():
        text = (
            f"files are checked as uid {os.geteuid()}, but the factory runs as {config.factory.owner}; "
            f"run: sudo -u {config.factory.owner} apf check"
        )
        yield Finding("warning", text, "Factory", "owner")


def _plugins(queue: Queue) -> Iterable[Plugin]:
    optional = () if queue.wmsstatus is None else (queue.wmsstatus,)
    return (*optional, queue.batchstatus, *queue.sched, queue.batchsubmit, *queue.monitors)


class _Pool:
    """Checks that query the pool. Its daemons are queried in parallel."""

    def __init__(self, config: Config, workers: Workers) -> None:
        self._config = config
        self._factory = config.factory
        self._workers = workers
        factory = config.factory
        self._schedd_address = own_schedd(factory)
        self._pool_address = PoolAddress(factory.pool)
        deadline_s = factory.deadline
        self._schedd = workers.submit(str(self._schedd_address), deadline_s, read_schedd, self._schedd_address)
        self._matchmaking = workers.submit(str(self._pool_address), deadline_s, read_matchmaking, self._pool_address)

    def findings(self, ads: Mapping[str, str]) -> list[Finding]:
        """Return all findings about the effect of the pool on the factory's VM jobs and VMs."""
        queues = self._config.queues
        found = list(check_authorization(queues, self._factory))
        schedd = self._result(self._schedd, "limits and policies of the schedd", found)
        if schedd is not None:
            found += self._guarded("limits and policies", lambda: self._by_schedd(schedd, ads))
        matchmaking = self._result(self._matchmaking, "negotiator and condor_defrag", found)
        if matchmaking is not None:
            found += self._guarded("negotiator and condor_defrag", lambda: self._by_pool(matchmaking))
        return found

    def _by_schedd(self, schedd: DaemonConfig, ads: Mapping[str, str]) -> Iterator[Finding]:
        queues = self._config.queues
        yield from check_gahp(queues, self._factory, schedd)
        gridmanager = schedd if self._factory.schedd is not None else gridmanager_config(schedd)
        yield from check_limits(queues, gridmanager)
        yield from check_gahp_log(gridmanager)
        yield from check_policies(queues, ads, self._factory, schedd, self._evaluate)

    def _by_pool(self, found: Matchmaking) -> Iterator[Finding]:
        yield from check_matchmaking(self._config.queues, self._factory, found, self._evaluate)

    def _evaluate(self, questions: Sequence[Question]) -> Sequence[Answer]:
        return self._workers.call(str(self._schedd_address), self._factory.deadline, evaluate, tuple(questions))

    def _result(self, future: Future[T], subject: str, found: list[Finding]) -> T | None:
        try:
            return call_result(future, self._factory.deadline)
        except CallFailed as error:
            found.append(Finding("unchecked", f"{subject}: {error}"))
            return None

    def _guarded(self, subject: str, findings: Callable[[], Iterable[Finding]]) -> list[Finding]:
        found: list[Finding] = []
        try:
            found.extend(findings())
        except (CallFailed, ToolError) as error:
            found.append(Finding("unchecked", f"{subject}: {error}"))
        return found
