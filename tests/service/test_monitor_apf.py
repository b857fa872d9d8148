"""Monitor plugin APF against a real HTTP server: AutoPyFactory's calls; a failing server costs one timeout."""

import itertools
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest

from factory.decide.decide import decide
from factory.model.status import WmsStatus
from factory.plugin.base import Plugin
from factory.plugin.monitor import MonitorPlugin
from factory.process.http import HttpError
from factory.report.monitors import MonitorDispatcher
from factory.report.status import decision_report
from factory.settings.factory import FactorySettings
from factory.settings.queue import QueueSettings
from factory.world.world import World
from plugins.monitor import apf
from plugins.monitor.apf import APF, round_status
from plugins.monitor.log import Dummy, Log
from tests.rig import faulty
from tests.rig.apfmon import ApfMon
from tests.rig.httpserver import Reply, free_port_nobody_listens_on


@pytest.fixture
def server() -> Iterator[ApfMon]:
    with ApfMon() as running:
        yield running


def monitor(kind: type[Plugin], name: str = "BNL/1", **settings: Any) -> MonitorPlugin:
    queue = QueueSettings(
        name=name, wmsqueue="BNL", batchstatusplugin="B", schedplugin=("S",), batchsubmitplugin="S", enabled=True
    )
    factory = FactorySettings(id="my-factory", admin_email="a@b.org", base_log_dir_url="http://me:25880")
    made = kind(queue, kind.Settings(**settings), factory)
    assert isinstance(made, MonitorPlugin)
    return made


def report(*jobs: str, blocked: bool = False) -> dict[str, Any]:
    """Return the factory's report of a queue that submitted these jobs, or that is blocked."""
    queue = faulty.queue("q", parts={"wms": {"read": lambda _: faulty.boom() if blocked else WmsStatus(ready=2)}})
    (decision,) = decide(faulty.config(queue), World(0, {}), {"q"}).decisions
    made = decision_report(decision, [], 0)
    made["actions"] = [{"kind": "submit", "what": "2 jobs", "reason": "", "jobs": list(jobs), "error": None}]
    return made


def test_sends_factory_label_jobs_and_status_like_autopyfactory(server: ApfMon) -> None:
    monitor(APF, monitorURL=server.url).report(report("12.0", "12.1"))
    assert server.factories["my-factory"]["email"] == "a@b.org"
    assert server.factories["my-factory"]["url"] == "http://me:25880"
    assert set(server.factories["my-factory"]) == {"version", "email", "url"}
    assert server.labels["my-factory:BNL/1"] == {
        "name": "BNL/1", "factory": "my-factory", "wmsqueue": "BNL", "batchqueue": "", "resource": "", "localqueue": "",
    }  # fmt: skip
    assert server.jobs == [{"cid": cid, "label": "BNL/1", "factory": "my-factory"} for cid in ("12.0", "12.1")]
    assert server.messages == [("my-factory:BNL/1", "Sched: what waits (ret=2)")]


def test_registers_once_and_sends_the_status_each_round(server: ApfMon) -> None:
    monitors = [monitor(APF, name, monitorURL=server.url) for name in ("a", "b")]
    for _, sender in itertools.product(range(3), monitors):
        sender.report(report())
    assert len(server.paths("PUT")) == 3
    assert len(server.paths("POST")) == 6
    assert server.jobs == []
    assert {sender.channel for sender in monitors} == {server.url}


def test_sends_the_reason_of_a_blocked_queue(server: ApfMon) -> None:
    monitor(APF, monitorURL=server.url).report(report(blocked=True))
    assert "blocked: " in server.messages[0][1]
    assert "boom" in server.messages[0][1]


def test_cuts_long_messages() -> None:
    steps = [{"plugin": "Ready", "reason": "x" * 400, "n_out": 1}] * 3
    assert len(round_status({"steps": steps, "blocked": None})) == 500


@pytest.mark.parametrize("fault", [Reply(b"", 500), Reply(b"", 404), Reply(b"", 302), Reply(b"", after_s=30)])
def test_pauses_after_a_failed_call_then_registers_again(
    server: ApfMon, fault: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apf, "_PAUSE_S", 0.2)
    sender = monitor(APF, monitorURL=server.url, timeout=1)
    sender.report(report())
    server.faults["/labels"] = fault
    with pytest.raises(HttpError, match=r"POST .*/labels/my-factory:BNL%2F1: "):
        sender.report(report())
    requests = len(server.requests)
    with pytest.raises(HttpError, match="is not called for"):
        sender.report(report())
    assert len(server.requests) == requests
    server.faults.clear()
    time.sleep(0.25)
    sender.report(report())
    assert server.paths("PUT").count("/api/factories/my-factory") == 2
    assert len(server.messages) == 2


def test_500_queues_with_a_failing_monitor_cost_one_call(server: ApfMon) -> None:
    server.faults["/api"] = Reply(b"", 500)
    dispatcher = MonitorDispatcher()
    for n in range(500):
        dispatcher.send(monitor(APF, f"q{n}", monitorURL=server.url), report())
    dispatcher.stop(patience_s=60)
    assert len(server.requests) == 1


def test_500_queues_with_a_dead_monitor_give_one_log_line(caplog: pytest.LogCaptureFixture) -> None:
    url = f"http://localhost:{free_port_nobody_listens_on()}/api"
    dispatcher = MonitorDispatcher()
    for n in range(500):
        dispatcher.send(monitor(APF, f"q{n}", monitorURL=url), report())
    dispatcher.stop(patience_s=60)
    (record,) = caplog.records
    assert "queue=q0 monitor=APF failed=" in record.getMessage()
    assert "refused" in record.getMessage()


@pytest.mark.parametrize("url", ["apfmon.lancs.ac.uk", "http://me:secret@apfmon/api", ""])
def test_refuses_an_invalid_url(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|password"):
        monitor(APF, monitorURL=url)


@pytest.mark.parametrize("kind", [Log, Dummy])
def test_log_monitor_writes_one_line_for_a_round(kind: type[Log], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        monitor(kind).report(report("12.0"))
    (record,) = caplog.records
    assert record.name == "apf.monitor"
    message = record.getMessage()
    assert message.startswith("queue=q outcome=submit n=2 ready=2")
    assert message.endswith("actions=1 failed=0")
