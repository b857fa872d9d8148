"""Metrics for Prometheus: the figures of ``apf status`` as gauges."""

from dataclasses import asdict
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from factory.decide.chain import Blocked, Cause, Chain
from factory.decide.decision import Decision
from factory.model.ask import Ask
from factory.model.memory import Breaker, Health
from factory.model.source import Reading
from factory.model.status import BatchStatus, Unknown, WmsStatus
from factory.model.vm import VMState
from factory.report.metrics import StatusCollector
from factory.report.status import decision_report, status_report
from factory.settings.types import split_address
from factory.state.directory import StateDir
from tests.rig.vms import vm


def scraped(path: Path) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(StatusCollector(path))
    lines = generate_latest(registry).decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


@pytest.fixture
def statedir(tmp_path: Path) -> StateDir:
    made = StateDir(tmp_path / "state", "f")
    made.open()
    return made


def test_exports_queues_vms_breakers_and_sources(statedir: StateDir) -> None:
    busy = vm("a", VMState.BUSY, claims=1)
    health = Health({"m5.large": Breaker("quota", "no more", opened=5, until=900), "*": Breaker("lost", "", 5, 50)})
    decisions = [
        Decision("A", Chain((), Ask(2)), wms=WmsStatus(ready=7), batch=BatchStatus.of_vms([busy]), health=health),
        Decision(
            "B",
            Chain((), Ask(0), Blocked(Cause.UNKNOWN, "no answer")),
            wms=Unknown("no answer"),
            batch=Unknown("no answer"),
        ),
    ]
    queues = {each.queue: decision_report(each, (), 99) for each in decisions}
    readings = [Reading("jobs", 10, 11.5, rows=()), Reading("machines", 10, 12, error="no answer")]
    statedir.write_status(status_report("f", "i", queues, readings, (), 100))
    metrics = scraped(statedir.status)
    assert metrics['apf_vms{factory="f",queue="A",state="busy"}'] == 1
    assert metrics['apf_jobs{factory="f",queue="A",state="ready"}'] == 7
    assert metrics['apf_asked{factory="f",queue="A"}'] == 2
    assert metrics['apf_blocked{factory="f",queue="A"}'] == 0
    assert metrics['apf_blocked{factory="f",queue="B"}'] == 1
    assert not [
        name for name in metrics if 'queue="B"' in name and ("jobs" in name or "vms" in name or "asked" in name)
    ]
    assert metrics['apf_breaker_open{factory="f",fault="quota",queue="A",shape="m5.large"}'] == 1
    assert metrics['apf_breaker_open{factory="f",fault="lost",queue="A",shape="*"}'] == 0
    assert metrics['apf_source_up{factory="f",source="jobs"}'] == 1
    assert metrics['apf_source_up{factory="f",source="machines"}'] == 0
    assert metrics['apf_source_seconds{factory="f",source="jobs"}'] == 1.5
    assert (
        asdict(health)["breakers"]["*"]["until"]
        == metrics['apf_breaker_until_timestamp_seconds{factory="f",fault="lost",queue="A",shape="*"}']
    )


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"factory": "f", "written": 1, "queues": [{"queue": "Q"}]}', "\xff"])
def test_damaged_or_foreign_status_gives_no_metrics(statedir: StateDir, text: str) -> None:
    statedir.status.write_text(text, encoding="latin1")
    assert scraped(statedir.status) == {}


def test_no_metrics_before_the_first_round(statedir: StateDir) -> None:
    assert scraped(statedir.status) == {}


@pytest.mark.parametrize(
    ("text", "address"),
    [("9100", ("127.0.0.1", 9100)), ("0.0.0.0:9100", ("0.0.0.0", 9100)), ("[::1]:9100", ("::1", 9100))],
)
def test_address_without_a_host_is_local(text: str, address: tuple[str, int]) -> None:
    assert split_address(text) == address


@pytest.mark.parametrize("text", ["", "host", "host:", "host:0", "70000", "host:http"])
def test_refuses_an_invalid_address(text: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        split_address(text)
