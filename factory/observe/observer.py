"""Poll the merged sources of the due queues, stage by stage, each with its deadline."""

from __future__ import annotations

import math
import pickle
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

from factory.config.queues import Queue
from factory.model.memory import Memory
from factory.model.source import REREAD_PART, Reading, Source
from factory.model.status import Unknown
from factory.observe.sources import plan_sources
from factory.process.clock import Clock
from factory.process.faults import FAULTS, fault
from factory.process.poll import poll
from factory.process.workers import CallFailed, CallTimedOut, Workers, call_result
from factory.world.clock_step import shift_times

_SLOW_S = 1
"""A source that takes longer to fail is polled in the background until it answers again."""
_SPARE_S = 5
"""Extra time to start a worker process."""


class Observer:
    """Holder of the newest reading of each source.

    A round waits once for the whole deadline of a source. A source that did not answer in time is then polled in the
    background, so that a hung daemon delays one round only (rule 12).
    """

    def __init__(self, workers: Workers, clock: Clock | None = None) -> None:
        self._workers = workers
        self._clock = clock or Clock()
        self._readings: dict[str, Reading] = {}  # with steady times
        self.faults: Mapping[str, str] = {}
        """By queue: why one of its plugins could not name its sources."""
        self._running: dict[str, tuple[Source, Future[tuple[float, float, bytes]], float]] = {}
        self._slow: dict[str, str] = {}
        """Key → address of sources that did not answer in time."""

    @property
    def readings(self) -> dict[str, Reading]:
        """The newest reading of each source, with epoch times."""
        return {key: shift_times(reading, self._clock.at(0)) for key, reading in self._readings.items()}

    @property
    def silent(self) -> frozenset[str]:
        """Addresses with a source that did not answer in time and has not answered since."""
        return frozenset(self._slow.values())

    def observe(
        self,
        queues: Collection[Queue],
        all_queues: Collection[Queue],
        acted: Mapping[str, float],
        memory: Memory | None = None,
    ) -> None:
        """Poll the sources of these queues that have no fresh reading, merged with those of all queues.

        ``acted``: the steady time at which each queue's last act ended. ``memory``: that of the last round.
        """
        memory = memory or Memory()
        plan = plan_sources(all_queues)
        self.faults = plan.faults
        sources = plan.sources
        acts: dict[str, float] = {}
        needed = {key for queue in queues for key in plan.keys[queue.name]}
        for queue in all_queues:  # a queue that is not due may have acted on a shared source
            for key in needed.intersection(plan.keys.get(queue.name, ())):
                acts[key] = max(acts.get(key, 0), acted.get(queue.name, 0))
        self._collect(self._done())
        for stage in sorted({sources[key].STAGE for key in acts}):
            keys = [key for key in acts if stage == sources[key].STAGE]
            due = [key for key in keys if self._stale(sources[key], acts[key])]
            for key in due:
                if key not in self._running:
                    self._start(key, sources[key].knowing(memory))
            self._wait([key for key in due if key not in self._slow])
        self._collect(self._done())

    def forget(self, queues: Iterable[Queue]) -> None:
        """Drop readings and running polls of sources that none of these queues needs."""
        keep = plan_sources(queues).sources
        self._running = {key: running for key, running in self._running.items() if key in keep}
        self._readings = {key: reading for key, reading in self._readings.items() if key in keep}
        self._slow = {key: address for key, address in self._slow.items() if key in keep}

    def _stale(self, source: Source, after: float) -> bool:
        reading = self._readings.get(source.key)
        if reading is None or reading.error is not None or reading.started <= after:
            return True
        # A round takes time, and the reading must not be too old at its end, however long the interval.
        return self._clock.steady() - reading.started >= min(source.interval_s, REREAD_PART * source.maxage_s)

    def _start(self, key: str, source: Source) -> None:
        asked = self._clock.steady()
        try:
            pickled = pickle.dumps(source)
            future = self._workers.submit(source.address, source.deadline_s, poll, pickled)
        except (*FAULTS, OSError, RuntimeError) as error:
            self._readings[key] = Reading(key, asked, asked, error=f"can't be sent to a worker: {fault(error)}")
            return
        self._running[key] = (source, future, asked)

    def _done(self) -> list[str]:
        return [key for key, (_, future, _) in self._running.items() if future.done()]

    def _wait(self, keys: list[str]) -> None:
        running = [self._running[key] for key in keys if key in self._running]
        if running:
            # A worker serves one call at a time, so a source may have to wait for the others of its daemon.
            patience_s: Counter[str] = Counter()
            for source, _, _ in running:
                patience_s[source.address] += math.ceil(source.deadline_s) + _SPARE_S
            self._collect_in_turn([future for _, future, _ in running], max(patience_s.values()))
        self._collect(self._done())
        self._slow.update({key: self._running[key][0].address for key in keys if key in self._running})

    def _collect_in_turn(self, futures: Iterable[Future[Any]], patience_s: float) -> None:
        """Wait for these calls; collect each result while waiting for the others."""
        left, until = set(futures), self._clock.steady() + patience_s
        while left:
            done, left = wait(left, max(0, until - self._clock.steady()), FIRST_COMPLETED)
            if not done:
                return
            self._collect(self._done())

    def _collect(self, keys: Iterable[str]) -> None:
        for key in list(keys):
            source, future, asked = self._running.pop(key)
            try:
                started, ended, pickled = call_result(future, source.deadline_s)
                rows = pickle.loads(pickled)  # noqa: S301  from our own worker
            except CallFailed as error:
                self._readings[key] = Reading(key, asked, self._clock.steady(), None, str(error), source.maxage_s)
                if isinstance(error, CallTimedOut) or self._clock.steady() - asked > _SLOW_S:
                    self._slow[key] = source.address
            except FAULTS as error:
                why = f"the answer of the worker can't be read: {fault(error)}"
                self._readings[key] = Reading(key, asked, self._clock.steady(), None, why, source.maxage_s)
            else:
                self._readings[key] = Reading(key, started, ended, rows, None, source.maxage_s)
                self._slow.pop(key, None)


def fetch_all(workers: Workers, sources: Mapping[str, Source]) -> dict[str, Any]:
    """Poll these sources once, in parallel, collectors first; return rows by key, :class:`Unknown` for a failed one."""
    rows: dict[str, Any] = {}
    for stage in sorted({source.STAGE for source in sources.values()}):
        calls = {
            key: (source, workers.submit(source.address, source.deadline_s, poll, pickle.dumps(source)))
            for key, source in sources.items()
            if stage == source.STAGE
        }
        for key, (source, call) in calls.items():
            try:
                rows[key] = pickle.loads(call_result(call, source.deadline_s)[2])  # noqa: S301  from our own worker
            except CallFailed as error:
                rows[key] = Unknown(str(error))
    return rows
