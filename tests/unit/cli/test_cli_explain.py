"""``apf explain``: memory and pauses of a running factory."""

from pathlib import Path

import pytest

from factory.cli.explain import _running_factory
from factory.config import load
from factory.config.queues import Config
from factory.model.memory import Breaker, FitMemory, Health, Memory, Waiting
from factory.report.status import status_report
from factory.service.rehearsal import RunningFactory
from factory.state.directory import StateDir
from factory.state.pauses import Pause, changing_pauses
from factory.state.saved_memory import SavedMemory
from tests.rig.queues import PILOTS, make_queue

STUCK = Waiting(1.0, 6, stuck="room stands free", stuck_since=2.0)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    make_queue(tmp_path, PILOTS, factory={"statedir": tmp_path / "state"})
    return load([tmp_path / "queues.conf"])


def test_uses_memory_and_pauses_of_the_running_factory(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    statedir = StateDir(config.factory.statedir, config.factory.id)
    statedir.open()
    health = {"Q": Health({"*": Breaker("quota", "no more", 1.0, 2.0)})}
    known = SavedMemory(Memory(fit=FitMemory(waiting={"group": STUCK}), health=health), {"Q": 2})
    statedir.write_status(status_report("f1", "1 host 2", {}, (), (), 3.0, known=known))
    with changing_pauses(statedir.paused) as pauses:
        pauses[0] = pauses[0].paused(["Q"], Pause(5.0, "bob", "a fault"))
    assert _running_factory(config) == RunningFactory(), "no factory runs"
    statedir.lock()
    try:
        running = _running_factory(config)
        assert running.known == known
        assert running.incarnation == "1 host 2"
        assert "bob" in running.paused["Q"]
        assert capsys.readouterr().err == ""
        statedir.write_status({"queues": []})
        assert _running_factory(config) == RunningFactory()
        assert "memory and pauses of the running factory are unknown" in capsys.readouterr().err
    finally:
        statedir.unlock()
