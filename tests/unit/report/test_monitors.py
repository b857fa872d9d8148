"""Monitors are told beside the rounds: a slow, hanging or failing one delays nothing, and is said by name."""

import re
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from factory.plugin.monitor import MonitorPlugin
from factory.report.monitors import MonitorDispatcher
from tests.rig.faulty import Monitor, boom, leave, queue
from tests.rig.wait import until


def monitor(report: Any, name: str = "q", channel: str = "") -> MonitorPlugin:
    (made,) = queue(name, monitors=(report,)).monitors
    made.channel = channel
    return made


def test_reports_arrive_in_order_and_all_before_the_end() -> None:
    heard: list[int] = []
    dispatcher, listening = MonitorDispatcher(), monitor(lambda report: heard.append(report["n"]))
    for n in range(200):
        dispatcher.send(listening, {"n": n})
    dispatcher.stop()
    assert heard == list(range(200))


def test_a_hanging_monitor_delays_neither_the_caller_nor_a_monitor_of_another_channel(
    caplog: pytest.LogCaptureFixture,
) -> None:
    release = threading.Event()
    heard: list[object] = []
    came_back: list[bool] = []
    hanging = monitor(lambda _: came_back.append(release.wait(240)))
    fine = monitor(heard.append, channel="elsewhere")
    dispatcher = MonitorDispatcher(waiting=3, slow_s=0.05)
    for _ in range(1000):
        dispatcher.send(hanging, {})
        dispatcher.send(fine, {})
        if not heard:
            until(lambda: bool(heard), "the other monitor is told")
    assert "monitor=Monitor failed='too slow; the report is dropped'" in caplog.text
    assert len(caplog.records) < 3
    dispatcher.stop(patience_s=0.2)
    assert "ends untold" in caplog.text
    assert not came_back, "none of this waited for the monitor"
    release.set()


def test_a_monitor_that_does_not_come_back_is_said(caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()
    dispatcher, hanging = MonitorDispatcher(slow_s=0.05), monitor(lambda _: release.wait(240))

    def reported() -> bool:
        dispatcher.send(hanging, {})
        return bool(re.search(r"queue=q monitor=Monitor failed='has not come back for \d+ s'", caplog.text))

    until(reported, "the hanging monitor is reported")
    release.set()
    dispatcher.stop()


@pytest.mark.parametrize("fault", [boom, leave])
def test_a_failing_monitor_is_said_once_and_told_again(fault: Any, caplog: pytest.LogCaptureFixture) -> None:
    told = []

    def report(decision: Mapping[str, Any]) -> None:
        told.append(decision["n"])
        fault()

    dispatcher, failing = MonitorDispatcher(), monitor(report)
    for n in range(50):
        dispatcher.send(failing, {"n": n})
    dispatcher.stop()
    assert told == list(range(50))
    assert len(caplog.records) == 1
    assert "queue=q monitor=Monitor failed=" in caplog.text


def test_a_monitor_can_not_change_what_the_factory_reports() -> None:
    report = {"queue": "q"}

    def clear(decision: Any) -> None:
        decision.clear()

    dispatcher = MonitorDispatcher()
    dispatcher.send(monitor(clear), report)
    dispatcher.stop()
    assert report == {"queue": "q"}
    assert Monitor.channel == ""
