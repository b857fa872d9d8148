"""Monitors run beside the rounds: a slow, hanging or failing one delays nothing, and the log names it."""

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


def test_sends_all_reports_in_order_before_it_stops() -> None:
    received: list[int] = []
    dispatcher, recording = MonitorDispatcher(), monitor(lambda report: received.append(report["n"]))
    for n in range(200):
        dispatcher.send(recording, {"n": n})
    dispatcher.stop()
    assert received == list(range(200))


def test_hanging_monitor_delays_neither_caller_nor_other_channels(
    caplog: pytest.LogCaptureFixture,
) -> None:
    release = threading.Event()
    received: list[object] = []
    returned: list[bool] = []
    hanging = monitor(lambda _: returned.append(release.wait(240)))
    fine = monitor(received.append, channel="elsewhere")
    dispatcher = MonitorDispatcher(waiting=3, slow_s=0.05)
    for _ in range(1000):
        dispatcher.send(hanging, {})
        dispatcher.send(fine, {})
        if not received:
            until(lambda: bool(received), "the other monitor gets a report")
    assert "monitor=Monitor failed='too slow; report dropped'" in caplog.text
    assert len(caplog.records) < 3
    dispatcher.stop(patience_s=0.2)
    assert "monitor=Monitor unsent=" in caplog.text
    assert not returned, "none of this waited for the monitor"
    release.set()


def test_logs_a_monitor_that_does_not_answer(caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()
    dispatcher, hanging = MonitorDispatcher(slow_s=0.05), monitor(lambda _: release.wait(240))

    def reported() -> bool:
        dispatcher.send(hanging, {})
        return bool(re.search(r"queue=q monitor=Monitor failed='no answer for \d+ s'", caplog.text))

    until(reported, "the hanging monitor is reported")
    release.set()
    dispatcher.stop()


@pytest.mark.parametrize("fault", [boom, leave])
def test_failing_monitor_is_logged_once_and_called_again(fault: Any, caplog: pytest.LogCaptureFixture) -> None:
    called = []

    def report(decision: Mapping[str, Any]) -> None:
        called.append(decision["n"])
        fault()

    dispatcher, failing = MonitorDispatcher(), monitor(report)
    for n in range(50):
        dispatcher.send(failing, {"n": n})
    dispatcher.stop()
    assert called == list(range(50))
    assert len(caplog.records) == 1
    assert "queue=q monitor=Monitor failed=" in caplog.text


def test_monitor_can_not_change_the_report() -> None:
    report = {"queue": "q"}

    def clear(decision: Any) -> None:
        decision.clear()

    dispatcher = MonitorDispatcher()
    dispatcher.send(monitor(clear), report)
    dispatcher.stop()
    assert report == {"queue": "q"}
    assert Monitor.channel == ""
