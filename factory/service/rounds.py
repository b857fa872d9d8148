"""Rounds: observe, decide, act, report. An error in one round does not end the next."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace

from factory.act.actor import Actor, Hook, no_hook
from factory.audit.result import AuditReport
from factory.config.queues import Config
from factory.config.removed import add_removed_queues, template_queue
from factory.decide.advance import advance
from factory.decide.cascade import also_decide
from factory.decide.decide import decide
from factory.decide.decision import Round
from factory.health.breakers import apply_resets
from factory.model.actions import Outcome
from factory.model.memory import Health
from factory.model.vm_job import VMJobRows
from factory.observe.observer import Observer
from factory.process.clock import Clock
from factory.process.faults import fault
from factory.process.poll import trim_heap
from factory.process.workers import Workers
from factory.service.recorder import BrokenRounds, Knowledge, Recorder, log_outcomes, saved_memory
from factory.service.sweeper import sweep_userdata
from factory.state.directory import StateDir
from factory.state.pauses import PausesError, read_pauses
from factory.state.saved_memory import SavedMemory
from factory.world.build import WorldInputs, make_world
from factory.world.clock_step import shift_times
from factory.world.world import World

log = logging.getLogger("apf")

GIVE_UP = 20
"""Failed rounds in a row after which the process ends, so that its service manager restarts it."""


class RoundsBroken(Exception):
    """``GIVE_UP`` rounds in a row ended with an unexpected error; a new process may do better."""


class Rounds:
    """State of the process from round to round, and the course of a round.

    Args:
        keep_fds: file descriptors that commands to machines inherit, such as the lock of the factory.
        after: called after each step of each action.
        last_audit: returns the report of the last audit; its times are of the steady clock.
        wake_audit: makes the next audit start soon.
        unaudited: returns the queues whose cloud no audit has queried yet.
    """

    def __init__(
        self,
        config: Config,
        workers: Workers,
        statedir: StateDir,
        incarnation: str,
        keep_fds: tuple[int, ...] = (),
        after: Hook = no_hook,
        clock: Clock | None = None,
        last_audit: Callable[[], AuditReport] = AuditReport,
        wake_audit: Callable[[], None] = lambda: None,
        unaudited: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        self.config = config
        self.incarnation = incarnation
        self._workers = workers
        self._statedir = statedir
        self._keep_fds = keep_fds
        self._after = after
        self._clock = clock or Clock()
        self._audit = last_audit
        self._wake_audit = wake_audit
        self._unaudited = unaudited
        self._observer = Observer(workers, self._clock)
        self._recorder = Recorder(statedir, incarnation)
        self._memory = saved_memory(statedir, config, self._clock.now())
        self._acted: dict[str, float] = {}
        """Queue → steady time at which its last act ended."""
        self._unconfigured: Counter[str] = Counter()
        """VM jobs of each queue that is not configured, as last logged."""

    def stop(self) -> None:
        """Let the monitors receive the reports that are still queued."""
        self._recorder.stop()

    def reconfigure(self, config: Config) -> None:
        """Continue with another configuration. Queues whose section changed lose the record of their launches."""
        known = {queue.name: queue.text for queue in self.config.all_queues}
        changed = {queue.name: Health() for queue in config.all_queues if queue.text != known.get(queue.name)}
        self._memory = replace(self._memory, health={**self._memory.health, **changed})
        self.config = config
        self._recorder.keep_only(queue.name for queue in config.all_queues)
        self._observer.forget(config.all_queues)

    def guarded(self, due: Collection[str]) -> None:
        """Run one round; log an unexpected error and show it in the status.

        Raises:
            RoundsBroken: this was the last of ``GIVE_UP`` failed rounds in a row.
        """
        try:
            self.run(due)
        except BaseException as error:
            log.exception("unexpected error in the round of %s", ", ".join(sorted(due)))
            before = self._recorder.broken
            since, times = (self._clock.now(), 1) if before is None else (before.since, before.times + 1)
            self._recorder.broken = BrokenRounds(fault(error), since, times)
            self._write_status()
            if times >= GIVE_UP:
                text = f"{times} rounds in a row failed with an unexpected error: {fault(error)}"
                raise RoundsBroken(text) from None
        else:
            if self._recorder.broken is not None:
                self._recorder.broken = None
                self._write_status()

    def run(self, due: Collection[str]) -> None:
        """Run one round for the queues that are due."""
        by_s = self._clock.adopt_step()
        if by_s:
            log.warning("the clock of this host was set by %.1f s; remembered times move with it", by_s)
            self._memory = shift_times(self._memory, by_s)
        started = self._clock.now()
        config = self.config
        whole = any(plugin.whole_factory for queue in config.queues for plugin in queue.sched)
        capped = config.factory.max_per_factory is not None or whole  # the sum over all queues is needed
        deciding = {*due, *also_decide(config.queues, due)}
        queues = [queue for queue in config.all_queues if capped or queue.name in deciding]
        self._observer.observe(queues, self.config.all_queues, self._acted, self._memory)
        self._take_over_removed()
        template = template_queue(self.config)
        if template is not None and template.name in due:
            due = {*due, *(queue.name for queue in self.config.removed)}
        now = self._clock.now()
        self._memory = replace(
            self._memory, health=apply_resets(self._memory.health, self._statedir.read_resets(), now)
        )
        acted = {queue: self._clock.at(moment) for queue, moment in self._acted.items()}
        unaudited, audited = (
            self._unaudited(),
            self._last_audit(),
        )  # in this order: one queried in between is in both
        inputs = WorldInputs(
            readings=self._observer.readings,
            memory=self._memory,
            acted=acted,
            incarnation=self.incarnation,
            believed_after_s=2 * self.config.factory.update_interval,
            paused=self._paused(),
            faults=self._observer.faults,
            orphans=audited.counts,
            audit=audited.result,
            unaudited=unaudited,
        )
        world = make_world(now, inputs)
        if world.memory.missing.keys() - self._memory.missing.keys() or (unaudited and self._vm_jobs()):
            self._wake_audit()
        self._memory = world.memory
        round_ = decide(self.config, world, due)
        for decision in round_.decisions:
            if decision.broken is not None:
                log.error("queue=%s unexpected error: %s", decision.queue, decision.broken)
        outcomes = self._act(world, round_)
        self._recorder.record(self.config, round_, outcomes, self._knowledge(), self._clock.now())
        last_act = max((self._clock.at(moment) for moment in self._acted.values()), default=0.0)
        sweep_userdata(self._statedir, self._observer.readings.values(), now, last_act)
        del world, round_, outcomes
        trim_heap()
        log.debug("round queues=%d took_s=%.2f", len(due), self._clock.now() - started)

    def _take_over_removed(self) -> None:
        """Take over the VMs of sections that were removed or renamed while they had VMs."""
        configured = {queue.name for queue in self.config.all_queues} - {queue.name for queue in self.config.removed}
        rows = self._vm_jobs()
        if not rows:
            return  # no decision on missing data (rule 2)
        unconfigured = Counter(job.queue for row in rows for job in row.jobs if job.queue not in configured)
        if unconfigured.keys() != {queue.name for queue in self.config.removed}:
            self.config = add_removed_queues(self.config, unconfigured)
            self._recorder.keep_only(queue.name for queue in self.config.all_queues)
        if unconfigured != self._unconfigured:
            self._unconfigured = unconfigured
            template = template_queue(self.config)
            how = "VMs end by their own limits and count for no cap"
            if template is not None:
                how = f"VMs are handled with the settings of {template.settings.name}"
            for queue, n in sorted(unconfigured.items()):
                log.warning(
                    'queue=%s vm_jobs=%d reason="not configured: %s; keep its section with enabled = False until they '
                    'are gone"', queue, n, how,
                )  # fmt: skip

    def _last_audit(self) -> AuditReport:
        """Return the last audit, with its times by the present clock of the host."""
        audited = self._audit()
        began = {queue: self._clock.at(moment) for queue, moment in audited.result.began.items()}
        return replace(audited, result=replace(audited.result, began=began))

    def _vm_jobs(self) -> list[VMJobRows]:
        return [each.rows for each in self._observer.readings.values() if isinstance(each.rows, VMJobRows)]

    def _paused(self) -> dict[str, str]:
        """Return the paused queues, each with the reason; all queues if the file can't be read."""
        names = [queue.name for queue in self.config.all_queues]
        try:
            return read_pauses(self._statedir.paused).reasons(names)
        except PausesError as error:
            log.error("%s", error)
            return dict.fromkeys(names, f"pauses are unknown: {error}")

    def _act(self, world: World, round_: Round) -> tuple[Outcome, ...]:
        """Carry out the actions, and advance the memory even if that fails."""
        actions = round_.actions
        outcomes: tuple[Outcome, ...] = ()
        try:
            if actions:
                outcomes = self._actor().act(actions)
        finally:  # only a later poll shows the effects (rule 3)
            if actions:
                self._acted.update(dict.fromkeys({action.queue for action in actions}, self._clock.steady()))
            self._memory = advance(world, round_, outcomes, self._clock.now())
        log_outcomes(outcomes)
        return outcomes

    def _actor(self) -> Actor:
        return Actor(
            self.config, self._workers, self._statedir, self.incarnation, self._keep_fds, self._after,
            self._observer.silent,
        )  # fmt: skip

    def _knowledge(self) -> Knowledge:
        audited = self._last_audit()
        saved = SavedMemory(self._memory, audited.counts, audited.result, self._unaudited())
        return Knowledge(tuple(self._observer.readings.values()), audited, saved)

    def _write_status(self) -> None:
        self._recorder.write_status(self.config, self._knowledge(), self._clock.now())
