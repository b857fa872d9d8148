"""What ``apf explain`` takes over from a factory that runs."""

from pathlib import Path

import pytest

from factory.cli.explain import _instead
from factory.config import load
from factory.config.queues import Config
from factory.model.memory import Breaker, FitMemory, Health, Memory, Waiting
from factory.report.status import status_report
from factory.service.rehearsal import Instead
from factory.state.directory import StateDir
from factory.state.pauses import Pause, changing_pauses
from factory.state.saved_memory import SavedMemory
from tests.rig.queues import PILOTS, make_queue

STUCK = Waiting(1.0, 6, stuck="room stands free", stuck_since=2.0)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    make_queue(tmp_path, PILOTS, factory={"statedir": tmp_path / "state"})
    return load([tmp_path / "queues.conf"])


def test_what_a_running_factory_knows_and_its_pauses_count(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    statedir = StateDir(config.factory.statedir, config.factory.id)
    statedir.open()
    health = {"Q": Health({"*": Breaker("quota", "no more", 1.0, 2.0)})}
    known = SavedMemory(Memory(fit=FitMemory(waiting={"group": STUCK}), health=health), {"Q": 2})
    statedir.write_status(status_report("f1", "1 host 2", {}, (), (), 3.0, known=known))
    with changing_pauses(statedir.paused) as pauses:
        pauses[0] = pauses[0].paused(["Q"], Pause(5.0, "bob", "a fault"))
    assert _instead(config) == Instead(), "nobody runs"
    statedir.lock()
    try:
        instead = _instead(config)
        assert instead.known == known
        assert instead.incarnation == "1 host 2"
        assert "bob" in instead.paused["Q"]
        assert capsys.readouterr().err == ""
        statedir.write_status({"queues": []})
        assert _instead(config) == Instead()
        assert "what the running factory knows and what is paused is not known here" in capsys.readouterr().err
    finally:
        statedir.unlock()
