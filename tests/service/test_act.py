"""Acting: an error of one action stops no other, and a schedd that hangs is not called again."""

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
    """Hang like a call to a schedd that does not answer."""
    time.sleep(3600)


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


def test_waits_once_a_round_for_a_schedd_that_hangs(actor: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 12."""
    monkeypatch.setattr(acts, "remove", hang)
    outcomes = actor.act([Remove(queue="Q", job=JobId(1, i), reason="test") for i in range(20)])
    errors = [outcome.error for outcome in outcomes]
    assert errors.count("no answer within 1 s") == 1
    assert sum("not tried: schedd local did not answer" in str(error) for error in errors) == 19


def test_action_that_fails_does_not_stop_the_others(actor: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    removed = Remove(queue="Q", job=JobId(1, 0), reason="test")
    bought = Submit(queue="Q", n=1, reason="test")
    monkeypatch.setattr(acts, "remove", print)
    errors = {outcome.action: outcome.error for outcome in actor.act([bought, removed])}
    assert "condor_token_fetch not found" in str(errors[bought])
    assert errors[removed] is None
    assert not list(actor.statedir.userdata.iterdir()), "nothing was written for a VM that was not submitted"


@pytest.fixture
def sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """File to which stand-ins for the tools write their arguments. For a startd named hangs… they never return."""
    log, bin_dir = tmp_path / "sent", tmp_path / "bin"
    bin_dir.mkdir()
    for name in ("condor_off", "condor_on", "condor_drain"):
        program = bin_dir / name
        program.write_text(
            f'#!/bin/sh\ncase "$*" in *hangs*) exec sleep 3600;; esac\necho {name} "$@" >> {log}\n'
            'case "$*" in *fails*) exit 1;; esac\n'
        )
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_dir}:{os.environ['PATH']}")
    log.touch()
    return log


def again(name: str, attempt: int) -> Retire:
    retiring = vm(name, VMState.RETIRING, retire_time=1.0)
    return Retire(queue="Q", vm=retiring, method="off", repeat=True, attempt=attempt, reason="test")


def test_unreachable_startds_delay_a_round_by_two_command_times(actor: Actor, sent: Path) -> None:
    """A hundred of them cost no more than the time of two commands."""
    hanging = [again(f"hangs{i}", attempt=2) for i in range(100)]
    obeys = again("obeys1", attempt=1)
    outcomes = {outcome.action: outcome for outcome in actor.act([*hanging, obeys])}
    assert outcomes[obeys].error is None, "startds that did not obey before come last"
    assert "obeys1" in sent.read_text()
    tried = [outcome for action, outcome in outcomes.items() if action in hanging and outcome.tried]
    assert {outcome.error for outcome in tried} == {"condor_off took longer than 1 s"}
    assert 16 <= len(tried) <= 32
    rest = [outcome for outcome in outcomes.values() if not outcome.tried]
    assert len(rest) == 100 - len(tried)
    assert {outcome.error for outcome in rest} == {
        "not tried: earlier commands used up the 2 s of this round; next round retries"
    }


def test_commands_of_all_kinds_share_one_deadline(actor: Actor, sent: Path) -> None:
    back = [
        Unretire(queue="Q", vm=vm(f"hangs{i}", VMState.RETIRED, retire_time=1.0, unretire_time=2.0), reason="test")
        for i in range(40)
    ]
    outcomes = actor.act([*back, again("obeys1", attempt=1)])
    assert sum(outcome.tried for outcome in outcomes) <= 32, "two for each thread, one after the other"
    assert not outcomes[-1].tried


def test_kills_the_children_of_a_command_that_timed_out(actor: Actor, sent: Path) -> None:
    actor.act([again("hangs1", attempt=1)])
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
def test_unretires_a_vm_with_or_without_a_drain_in_its_ads(
    actor: Actor, sent: Path, seen: dict[str, Any], commands: list[str], name: str
) -> None:
    """A drain that was sent a moment ago is cancelled too; it is no failure if there is none."""
    leaving = vm(name, VMState.RETIRING, retire_time=1.0, unretire_time=2.0, **seen)
    (outcome,) = actor.act([Unretire(queue="Q", vm=leaving, reason="test")])
    lines = sent.read_text().replace("-pool 127.0.0.1:1 ", "").splitlines()
    assert [" ".join(line.split()[:2]) for line in lines] == commands
    assert (outcome.error is None) is (name == "vm1"), "the last command decides"
