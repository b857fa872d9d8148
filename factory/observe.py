"""Fetching what the due queues need: merged sources, stage by stage, each with its deadline."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Future, wait
from typing import Any

from factory.config.settings import Queue
from factory.plugin import BatchStatusPlugin, SchedPlugin, WmsStatusPlugin
from factory.source import Reading, Source
from factory.workers import CallFailed, CallTimedOut, Workers, one_line, result

_SPARE_S = 5
"""For starting a worker process."""


def queue_sources(queue: Queue) -> tuple[Source, ...]:
    """The sources of one queue's plugins."""
    polling = (queue.wmsstatus, queue.batchstatus, *queue.sched)
    return tuple(source for plugin in polling if plugin is not None for source in _sources(plugin))


def _sources(plugin: WmsStatusPlugin | BatchStatusPlugin | SchedPlugin) -> tuple[Source, ...]:
    try:
        return tuple(plugin.sources())
    except Exception:  # noqa: BLE001  its queue holds, since what it wants is not read; no other queue suffers
        return ()


def merged(sources: Iterable[Source]) -> dict[str, Source]:
    """Sources by key; those with equal keys become one."""
    by_key: dict[str, Source] = {}
    for source in sources:
        known = by_key.get(source.key)
        by_key[source.key] = source if known is None else known.merge(source)
    return by_key


def _fetch(source: Source) -> tuple[float, float, Any]:
    started = time.time()
    rows = source.fetch()
    return started, time.time(), rows


class Observer:
    """Keeps the newest reading of each source.

    A round waits for a source as long as its deadline once; a source that failed to answer in time is then
    polled in the background, so that a hung daemon delays one round and no more (rule 12).
    """

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self.readings: dict[str, Reading] = {}
        self._running: dict[str, tuple[Source, Future[Any], float]] = {}
        self._slow: set[str] = set()

    def observe(self, queues: Collection[Queue], all_queues: Collection[Queue], acted: Mapping[str, float]) -> None:
        """Poll what these queues need and have no fresh reading of. Merges with what all queues want of it."""
        wanted = merged(source for queue in all_queues for source in queue_sources(queue))
        acts: dict[str, float] = {}
        for queue in queues:
            for source in queue_sources(queue):
                acts[source.key] = max(acts.get(source.key, 0), acted.get(queue.name, 0))
        self._collect(self._done())
        for stage in sorted({wanted[key].STAGE for key in acts}):
            keys = [key for key in acts if stage == wanted[key].STAGE]
            due = [key for key in keys if self._stale(wanted[key], acts[key])]
            for key in due:
                if key not in self._running:
                    self._start(wanted[key])
            self._wait([key for key in due if key not in self._slow])
        self._collect(self._done())

    def forget(self, keep: Collection[str]) -> None:
        """Drop the readings of sources that no queue wants any more."""
        self.readings = {key: reading for key, reading in self.readings.items() if key in keep}

    def _stale(self, source: Source, after: float) -> bool:
        reading = self.readings.get(source.key)
        if reading is None or reading.error is not None or reading.started <= after:
            return True
        return time.time() - reading.started >= source.interval_s

    def _start(self, source: Source) -> None:
        future = self._workers.submit(source.address, source.deadline_s, _fetch, source)
        self._running[source.key] = (source, future, time.time())

    def _done(self) -> list[str]:
        return [key for key, (_, future, _) in self._running.items() if future.done()]

    def _wait(self, keys: list[str]) -> None:
        running = [self._running[key] for key in keys if key in self._running]
        if running:
            # A worker serves one call at a time: a source may have to wait for the others of its daemon first.
            patience_s: Counter[str] = Counter()
            for source, _, _ in running:
                patience_s[source.address] += math.ceil(source.deadline_s) + _SPARE_S
            wait([future for _, future, _ in running], timeout=max(patience_s.values()))
        self._collect(self._done())
        self._slow.update(key for key in keys if key in self._running)

    def _collect(self, keys: Iterable[str]) -> None:
        for key in list(keys):
            source, future, asked = self._running.pop(key)
            try:
                started, ended, rows = result(future, source.deadline_s)
            except CallFailed as error:
                self.readings[key] = Reading(key, asked, time.time(), None, str(error), source.maxage_s)
                if isinstance(error, CallTimedOut):
                    self._slow.add(key)
            except Exception as error:  # noqa: BLE001 - a source that can't even be pickled
                self.readings[key] = Reading(key, asked, time.time(), None, one_line(error), source.maxage_s)
            else:
                self.readings[key] = Reading(key, started, ended, rows, None, source.maxage_s)
                self._slow.discard(key)
