"""Plugins and sources that fail in every way one can, for a queue of their own; no HTCondor."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from factory.config.queues import Config, Queue
from factory.model.actions import Plan, Submit
from factory.model.ask import Ask
from factory.model.status import BatchStatus, SiteStatus, Unknown, WmsStatus
from factory.plugin import Readings, Source
from factory.plugin.base import PluginSettings
from factory.plugin.batchstatus import BatchStatusPlugin
from factory.plugin.batchsubmit import BatchSubmitPlugin
from factory.plugin.monitor import MonitorPlugin
from factory.plugin.sched import SchedPlugin, Step, View
from factory.plugin.wmsstatus import WmsStatusPlugin
from factory.settings.factory import FactorySettings
from factory.settings.queue import QueueSettings


def boom(*args: object) -> Any:
    raise RuntimeError("boom")


def leave(*args: object) -> Any:
    raise SystemExit("leave")


def cancel(*args: object) -> Any:
    raise asyncio.CancelledError("cancel")


def interrupt(*args: object) -> Any:
    raise KeyboardInterrupt("interrupt")


def loop_for_ever(*args: object) -> Any:
    while True:
        pass


def sleep_for_ever(*args: object) -> Any:
    time.sleep(3600)


def swallow_for_ever(*args: object) -> Any:
    while True:
        try:
            time.sleep(0.01)
        except Exception:  # noqa: BLE001, S112  what a careless plugin does
            continue


class Unshowable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def raise_unshowable(*args: object) -> Any:
    raise Unshowable


class _NotBack:
    """Goes into a pickle and does not come out again."""

    def __reduce__(self) -> Any:
        return boom, ()


_ROWS: Mapping[str, Callable[[], Any]] = {
    "fine": lambda: 7,
    "raises": boom,
    "exits": leave,
    "hangs": sleep_for_ever,
    "dies": lambda: os._exit(3),
    "unpicklable": threading.Lock,
    "not back": _NotBack,
}


Parts = Mapping[str, Mapping[str, Any]]
"""By category, then by method."""


@dataclass(frozen=True, kw_only=True)
class Numbers(Source):
    """Brings 7, or what ``how`` says."""

    how: str = "fine"
    name: str = "numbers"
    extra: Any = None

    @property
    def key(self) -> str:
        return self.name

    @property
    def address(self) -> str:
        return f"address of {self.name}"

    def fetch(self) -> Any:
        return _ROWS[self.how]()


class BadKey(Numbers):
    @property
    def key(self) -> str:
        return boom()  # type: ignore[no-any-return]


class NumberKey(Numbers):
    @property
    def key(self) -> str:
        return 7  # type: ignore[return-value]


class BadAddress(Numbers):
    @property
    def address(self) -> str:
        return boom()  # type: ignore[no-any-return]


class BadMerge(Numbers):
    def merge(self, other: Any) -> Any:
        boom()


class OtherMerge(Numbers):
    def merge(self, other: Any) -> Any:
        return Numbers(name="something else")


class Wms(WmsStatusPlugin):
    """Its parts can be replaced one by one."""

    class Settings(PluginSettings):
        parts: Mapping[str, Any] = {}

    def sources(self) -> tuple[Source, ...]:
        part = self.settings.parts.get("sources")
        return part(self) if callable(part) else part or (Numbers(),)

    def read(self, readings: Readings) -> WmsStatus | Unknown:
        if part := self.settings.parts.get("read"):
            return part(readings)  # type: ignore[no-any-return]
        rows = readings.rows(self.sources()[0])
        return rows if isinstance(rows, Unknown) else WmsStatus(ready=rows)

    def read_site(self, readings: Readings) -> SiteStatus | Unknown:
        part = self.settings.parts.get("read_site")
        return part(readings) if part else SiteStatus("ok")


class Batch(BatchStatusPlugin):
    class Settings(PluginSettings):
        parts: Mapping[str, Any] = {}

    def sources(self) -> tuple[Source, ...]:
        part = self.settings.parts.get("sources")
        return part(self) if callable(part) else part or ()

    def read(self, readings: Readings, memory: Any) -> BatchStatus | Unknown:
        part = self.settings.parts.get("read")
        return part(readings) if part else BatchStatus()


class Sched(SchedPlugin):
    class Settings(PluginSettings):
        parts: Mapping[str, Any] = {}

    def sources(self) -> tuple[Source, ...]:
        part = self.settings.parts.get("sources")
        return part(self) if callable(part) else part or ()

    def step(self, n: int, view: View) -> Step:
        part = self.settings.parts.get("step")
        return part(n) if part else Step(view.wms.ready, "what waits")


class BatchSubmit(BatchSubmitPlugin):
    class Settings(PluginSettings):
        parts: Mapping[str, Any] = {}

    def plan(self, ask: Ask, *args: object) -> Plan:
        if part := self.settings.parts.get("plan"):
            return part(ask)  # type: ignore[no-any-return]
        return Plan((Submit(queue=self.queue.name, n=ask.n, reason="asked"),) if ask.n > 0 else ())

    def submission(self, *args: object) -> Any:
        return self.settings.parts["submission"](*args)


class Monitor(MonitorPlugin):
    class Settings(PluginSettings):
        parts: Mapping[str, Any] = {}

    def report(self, decision: Mapping[str, Any]) -> None:
        self.settings.parts["report"](decision)


def queue(name: str, monitors: Sequence[Callable[..., Any]] = (), parts: Parts | None = None) -> Queue:
    """A queue whose plugins have these parts replaced, as in ``{"wms": {"read": boom}}``."""
    settings = QueueSettings(
        name=name, wmsstatusplugin="Wms", batchstatusplugin="Batch", schedplugin=("Sched",), batchsubmitplugin="S"
    )
    factory, of = FactorySettings(deadline=5), parts or {}
    return Queue(
        settings=settings,
        wmsstatus=Wms(settings, Wms.Settings(parts=of.get("wms", {})), factory),
        batchstatus=Batch(settings, Batch.Settings(parts=of.get("batch", {})), factory),
        sched=(Sched(settings, Sched.Settings(parts=of.get("sched", {})), factory),),
        batchsubmit=BatchSubmit(settings, BatchSubmit.Settings(parts=of.get("submit", {})), factory),
        monitors=tuple(Monitor(settings, Monitor.Settings(parts={"report": report}), factory) for report in monitors),
    )


def config(*queues: Queue, **factory: Any) -> Config:
    """A configuration of these queues."""
    return Config(factory=FactorySettings(**factory), queues=queues)
