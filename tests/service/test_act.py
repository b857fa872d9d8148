"""Acting: what one action runs into stops no other, and a schedd that hangs is not asked again."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from factory.act import Actor
from factory.actions import Remove, Submit
from factory.condor import acts
from factory.config import load
from factory.model import JobId
from factory.statedir import StateDir
from factory.workers import Workers
from tests.rig.chains import conf


def hang(*arguments: object) -> None:
    """In place of a call to a schedd that hangs."""
    time.sleep(60)


@pytest.fixture
def actor(tmp_path: Path) -> Iterator[Actor]:
    path = tmp_path / "queues.conf"
    path.write_text(conf("Ready", {}, {"deadline": 1, "pool": "127.0.0.1:1", "statedir": tmp_path / "state"}))
    config = load([path])
    statedir = StateDir(tmp_path / "state", "apf")
    statedir.open()
    workers = Workers(statedir.workers_lock)
    statedir.workers_lock.touch()
    yield Actor(config, workers, statedir, "1000 host 1")
    workers.stop()


def test_a_schedd_that_hangs_costs_a_round_one_deadline_however_many_actions_there_are(
    actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 12."""
    monkeypatch.setattr(acts, "remove", hang)
    started = time.monotonic()
    outcomes = actor.act([Remove(queue="Q", job=JobId(1, i), reason="test") for i in range(20)])
    assert time.monotonic() - started < 5
    errors = [outcome.error for outcome in outcomes]
    assert errors.count("no answer within 1 s") == 1
    assert sum("not tried: schedd local did not answer" in str(error) for error in errors) == 19


def test_an_action_that_fails_is_an_outcome_and_leaves_the_others_alone(
    actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    removed = Remove(queue="Q", job=JobId(1, 0), reason="test")
    bought = Submit(queue="Q", n=1, reason="test")
    monkeypatch.setattr(acts, "remove", print)
    ends = {outcome.action: outcome.error for outcome in actor.act([bought, removed])}
    assert "condor_token_fetch not found" in str(ends[bought])
    assert ends[removed] is None
    assert not list(actor.statedir.userdata.iterdir()), "nothing was written for a VM that was not submitted"
