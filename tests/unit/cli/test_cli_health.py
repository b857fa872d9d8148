"""``apf health``: reads only the factory's files."""

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from factory.cli.command import apf as main
from factory.health.breakers import ALL
from factory.model.memory import Breaker, Health
from factory.report.status import health_report
from factory.state.directory import StateDir

SHAPE = "ami-1/m5.large/*/on-demand"


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    file = tmp_path / "queues.conf"
    file.write_text(f"[Factory]\nfactoryId = site\nstatedir = {tmp_path / 'state'}\n")
    return file


@pytest.fixture
def statedir(tmp_path: Path) -> StateDir:
    now = time.time()
    health = Health(
        {SHAPE: Breaker("no capacity", "said", now, now + 599, 2), ALL: Breaker("too many requests", "slow", 0, now)},
        {SHAPE: (True, False)},
        canaries={"ami-1": "proven", "ami-2": "one VM first; VM 1 is booting, no startd yet"},
    )
    made = StateDir(tmp_path / "state", "site")
    made.open()
    queues = [{"queue": "CLOUD", "health": health_report(health)}, {"queue": "OTHER", "health": None}]
    made.write_status({"queues": queues})
    return made


def run(conf: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--conf", str(conf), "health", *arguments])


def test_shows_blocked_shapes_with_reason_and_time_left(conf: Path, statedir: StateDir) -> None:
    text = " ".join(run(conf).stdout.split())
    assert f"CLOUD {SHAPE} +- not bought for 10 min no capacity (2 times): said" in text
    assert "CLOUD all shapes one VM as a probe too many requests: slow" in text
    assert "CLOUD ami-1 canary: proven" in text
    assert "CLOUD ami-2 canary one VM first; VM 1 is booting, no startd yet" in text
    assert set(json.loads(run(conf, "--json").stdout)["CLOUD"]["breakers"]) == {SHAPE, ALL}


def test_reset_is_stored_for_the_factory_by_queue(conf: Path, statedir: StateDir) -> None:
    before = time.time()
    assert run(conf, "reset").exit_code == 0
    assert before <= statedir.read_resets()[ALL] <= time.time()
    assert run(conf, "reset", "NONE").exit_code == 2


def test_exits_with_2_without_a_status(conf: Path) -> None:
    assert run(conf).exit_code == 2
