"""Acting: what one action runs into stops no other, and a schedd that hangs is not asked again."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from factory.act.actor import Actor
from factory.condor.schedd import actions as acts
from factory.config import load
from factory.model.actions import Remove, Retire, Submit, Unretire
from factory.model.vm import Drain, JobId, VMState
from factory.process.workers import Workers
from factory.state.directory import StateDir
from tests.rig.chains import conf
from tests.rig.vms import vm


def hang(*arguments: object) -> None:
    """In place of a call to a schedd that hangs."""
    time.sleep(60)


@pytest.fixture
def actor(tmp_path: Path) -> Iterator[Actor]:
    path = tmp_path / "queues.conf"
    path.write_text(
        conf("Ready", {}, {"deadline": 1, "command_timeout": 1, "pool": "127.0.0.1:1", "statedir": tmp_path / "state"})
    )
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
    assert time.monotonic() - started < 10
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


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where ``condor_off`` and ``condor_on`` write whom they told; a machine called deaf… never answers them."""
    log, bin_dir = tmp_path / "told", tmp_path / "bin"
    bin_dir.mkdir()
    for name in ("condor_off", "condor_on", "condor_drain"):
        program = bin_dir / name
        program.write_text(
            f'#!/bin/sh\ncase "$*" in *deaf*) exec sleep 60;; esac\necho {name} "$@" >> {log}\n'
            'case "$*" in *fails*) exit 1;; esac\n'
        )
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_dir}:{os.environ['PATH']}")
    log.touch()
    return log


def again(name: str, attempt: int) -> Retire:
    retiring = vm(name, VMState.RETIRING, retire_time=1.0)
    return Retire(queue="Q", vm=retiring, method="off", repeat=True, attempt=attempt, reason="test")


def test_a_hundred_machines_that_nobody_can_reach_cost_a_round_twice_the_time_of_one_command(
    actor: Actor, told: Path
) -> None:
    deaf = [again(f"deaf{i}", attempt=2) for i in range(100)]
    obeys = again("obeys1", attempt=1)
    started = time.monotonic()
    outcomes = {outcome.action: outcome for outcome in actor.act([*deaf, obeys])}
    assert time.monotonic() - started < 10
    assert outcomes[obeys].error is None, "who did not obey before is told last"
    assert "obeys1" in told.read_text()
    tried = [outcome for action, outcome in outcomes.items() if action in deaf and outcome.tried]
    assert {outcome.error for outcome in tried} == {"condor_off took longer than 1 s"}
    assert 16 <= len(tried) <= 32
    rest = [outcome for outcome in outcomes.values() if not outcome.tried]
    assert len(rest) == 100 - len(tried)
    assert {outcome.error for outcome in rest} == {
        "not tried: earlier commands used up the 2 s of this round; next round retries"
    }


def test_commands_of_every_kind_have_one_deadline_together(actor: Actor, told: Path) -> None:
    back = [
        Unretire(queue="Q", vm=vm(f"deaf{i}", VMState.RETIRED, retire_time=1.0, unretire_time=2.0), reason="test")
        for i in range(40)
    ]
    started = time.monotonic()
    outcomes = actor.act([*back, again("obeys1", attempt=1)])
    assert time.monotonic() - started < 10
    assert not outcomes[-1].tried


def test_what_a_process_started_for_a_command_is_gone_with_it(actor: Actor, told: Path) -> None:
    actor.act([again("deaf1", attempt=1)])
    left = subprocess.run(["pgrep", "--parent", str(os.getpid()), "sleep"], capture_output=True, check=False)
    assert not left.stdout


@pytest.mark.parametrize(
    ("seen", "commands"),
    [
        ({"claims": 1}, ["condor_drain -cancel", "condor_on -daemon"]),
        ({"claims": 1, "retire_seen": True}, ["condor_on -daemon"]),
        ({"claims": 1, "retire_seen": True, "drain": Drain("apf apf: test", ours=True)}, ["condor_drain -cancel"]),
        ({"claims": 0}, ["condor_on -daemon"]),
    ],
)
@pytest.mark.parametrize("name", ["vm1", "fails1"])
def test_a_retirement_is_taken_back_whether_its_ads_show_a_drain_or_nothing_yet(
    actor: Actor, told: Path, seen: dict[str, Any], commands: list[str], name: str
) -> None:
    """A drain that was sent a moment ago is cancelled too; that there is none is no failure."""
    back = vm(name, VMState.RETIRING, retire_time=1.0, unretire_time=2.0, **seen)
    (outcome,) = actor.act([Unretire(queue="Q", vm=back, reason="test")])
    said = told.read_text().replace("-pool 127.0.0.1:1 ", "").splitlines()
    assert [" ".join(line.split()[:2]) for line in said] == commands
    assert (outcome.error is None) is (name == "vm1"), "the last command decides"
