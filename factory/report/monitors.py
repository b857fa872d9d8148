"""Send the reports of rounds to monitors from separate threads, so that no monitor delays a round (rule 12)."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from factory.plugin.monitor import MonitorPlugin
from factory.process.faults import FAULTS, fault

log = logging.getLogger("apf")

_WAITING = 2000
"""Reports that are kept for a slow channel; further ones are dropped."""
_SLOW_S = 60
"""A call that takes longer is reported as hanging."""
_LOG_EVERY_S = 60
"""Minimum time between two log lines about one channel."""

Item = tuple[MonitorPlugin, Mapping[str, Any]] | None


class MonitorDispatcher:
    """Sends reports to monitors.

    Monitors of one class with an equal ``channel`` share a thread, so that a slow channel delays no other.
    """

    def __init__(self, waiting: int = _WAITING, slow_s: float = _SLOW_S) -> None:
        self._waiting = waiting
        self._slow_s = slow_s
        self._channels: dict[tuple[type, str], _Channel] = {}

    def send(self, monitor: MonitorPlugin, report: Mapping[str, Any]) -> None:
        """Queue a report for a monitor and return at once."""
        key = (type(monitor), str(monitor.channel))
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = _Channel(type(monitor).__name__, self._waiting, self._slow_s)
        channel.put((monitor, MappingProxyType(dict(report))))

    def stop(self, patience_s: float = 5) -> None:
        """Wait up to ``patience_s`` for the queued reports to be sent."""
        deadline = time.monotonic() + patience_s
        for channel in self._channels.values():
            channel.put(None)
        for channel in self._channels.values():
            channel.join(max(0.0, deadline - time.monotonic()))


class _Channel:
    def __init__(self, name: str, waiting: int, slow_s: float) -> None:
        self._name = name
        self._slow_s = slow_s
        self._items: queue.Queue[Item] = queue.Queue(waiting)
        self._busy: tuple[str, float] | None = None
        """Queue whose report is being sent, and the start of the call."""
        self._lost = 0
        self._logged = -_LOG_EVERY_S * 1.0
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"monitor {name}", daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        busy = self._busy
        hangs = busy is not None and time.monotonic() - busy[1] > self._slow_s
        try:
            self._items.put_nowait(item)
        except queue.Full:
            if item is not None:
                self._failed(item[0].queue.name, "too slow; report dropped", lost=1)
            return
        if hangs and busy is not None:
            self._failed(busy[0], f"no answer for {time.monotonic() - busy[1]:.0f} s", lost=0)

    def join(self, patience_s: float) -> None:
        self._thread.join(patience_s)
        if self._thread.is_alive():
            left = self._items.qsize() + (self._busy is not None)
            log.warning("monitor=%s unsent=%d: the factory ends before these reports were sent", self._name, left)

    def _run(self) -> None:
        while (item := self._items.get()) is not None:
            monitor, report = item
            self._busy = (monitor.queue.name, time.monotonic())
            try:
                monitor.report(report)
            except FAULTS as error:
                self._failed(monitor.queue.name, fault(error), lost=1)
            self._busy = None

    def _failed(self, of_queue: str, text: str, lost: int) -> None:
        with self._guard:
            self._lost += lost
            if time.monotonic() - self._logged < _LOG_EVERY_S:
                return
            self._logged = time.monotonic()
            lost, self._lost = self._lost, 0
        log.error("queue=%s monitor=%s failed=%r lost=%d", of_queue, self._name, text, lost)
