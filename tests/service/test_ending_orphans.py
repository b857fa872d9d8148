"""Ending orphans: what can't be taken back comes first, and nothing that hangs keeps the others."""

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from factory.audit.cleanup import Cleanup
from factory.audit.orphans import Orphan, OrphanStep
from factory.audit.snapshot import AccountCloud, Snapshot
from factory.condor.schedd import actions as acts
from factory.condor.schedd import orphan_checks as reap
from factory.config import load
from factory.model.cloud import Account, CloudAct, InstanceRow
from factory.plugin import Source
from factory.plugin.base import PluginSettings
from factory.plugin.cloud import CloudPlugin
from factory.process.workers import Workers
from factory.settings.factory import FactorySettings
from factory.settings.queue import QueueSettings
from plugins.cloud.ec2instances import EC2Instances
from tests.rig.chains import conf
from tests.rig.endings import Noting, absent, hang, unclaimed
from tests.rig.vms import job, machine


class Site(CloudPlugin):
    log: Path

    def instances(self, account: Account) -> Source:
        return EC2Instances(url=account.url, access_key=None, secret_key=None, factory_id="f1")

    def terminate(self, account: Account, instances: Iterable[InstanceRow], key_pairs: Iterable[str] = ()) -> CloudAct:
        return Noting(account.url, self.log, (*(each.id for each in instances), *key_pairs))


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where is written what was done, in order; machines called deaf… never answer a command."""
    log, bin_dir = tmp_path / "log", tmp_path / "bin"
    bin_dir.mkdir()
    for name in ("condor_off", "condor_drain"):
        program = bin_dir / name
        program.write_text(f'#!/bin/sh\ncase "$*" in *deaf*) exec sleep 60;; esac\necho {name} "$@" >> {log}\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_dir}:{os.environ['PATH']}")
    monkeypatch.setattr(reap, "vms_in_use", unclaimed)
    monkeypatch.setattr(reap, "instances_in_pool", absent)
    log.touch()
    return log


@pytest.fixture
def endings(tmp_path: Path, log: Path) -> Iterator[Cleanup]:
    path = tmp_path / "queues.conf"
    path.write_text(conf("Ready", {}, {"deadline": 8, "command_timeout": 1, "pool": "127.0.0.1:1"}))
    queue = QueueSettings(name="Q", batchstatusplugin="", schedplugin=(), batchsubmitplugin="")
    plugin = Site(queue, PluginSettings(), FactorySettings())
    plugin.log = log
    clouds = {}
    for url in ("one", "two", "deaf", "meets1", "meets2", "meets3"):
        account = Account("Site", url)
        clouds[url] = AccountCloud(plugin, account, plugin.instances(account), frozenset({"Q"}))
    workers = Workers()
    yield Cleanup(load([path]), workers, Snapshot(clouds=clouds))
    workers.stop()


def orphan(step: OrphanStep, name: str, account: str = "one") -> Orphan:
    row = InstanceRow(name, "running", name, "Q", "", "", 0, "ap@pool") if step is OrphanStep.TERMINATE else None
    return Orphan(
        "instance", name, "Q", "test", step, 300, vm=name, account=account, instance=row,
        machine=machine(name) if step is OrphanStep.DRAIN else None,
        job=job(name) if step is OrphanStep.REMOVE else None,
    )  # fmt: skip


def test_a_hundred_machines_out_of_reach_delay_no_termination_and_cost_twice_the_time_of_one_command(
    endings: Cleanup, log: Path
) -> None:
    deaf = [orphan(OrphanStep.DRAIN, f"deaf{i}") for i in range(100)]
    first, last = orphan(OrphanStep.DRAIN, "vm1"), orphan(OrphanStep.DRAIN, "vm2")
    started = time.monotonic()
    ends = endings.all([first, *deaf, last, orphan(OrphanStep.TERMINATE, "i-1"), orphan(OrphanStep.DELETE, "SSH_1")])
    assert time.monotonic() - started < 25
    done = log.read_text().splitlines()
    assert [done[0], done[1].split()[-1], done[2]] == ["end i-1", "vm1", "end SSH_1"]
    assert {name for name, end in ends.items() if end.error is None} == {"i-1", "vm1", "SSH_1"}
    told = [name for name, end in ends.items() if end.tried and name.startswith("deaf")]
    assert 16 <= len(told) <= 32
    assert not ends["vm2"].tried, "its turn is still to come"


def test_accounts_are_asked_side_by_side(endings: Cleanup) -> None:
    three = [orphan(OrphanStep.TERMINATE, f"i-{account}", account) for account in ("meets1", "meets2", "meets3")]
    config = replace(endings.config, factory=endings.config.factory.model_copy(update={"deadline": 40}))
    assert [end.error for end in replace(endings, config=config).all(three).values()] == [None] * 3


def test_an_account_that_does_not_answer_keeps_no_other_waiting(endings: Cleanup, log: Path) -> None:
    accounts = ("one", "deaf", "two")
    ends = endings.all([orphan(OrphanStep.TERMINATE, f"i-{account}", account) for account in accounts])
    assert [end.error for end in ends.values()] == [None, "no answer within 8 s", None]
    assert sorted(log.read_text().splitlines()) == ["end i-one", "end i-two"]


def test_a_schedd_that_hangs_is_waited_for_once(endings: Cleanup, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 12."""
    monkeypatch.setattr(acts, "remove", hang)
    started = time.monotonic()
    ends = endings.all([orphan(OrphanStep.REMOVE, f"{i}.0") for i in range(20)])
    assert time.monotonic() - started < 40
    assert [end.tried for end in ends.values()] == [True] + [False] * 19


@pytest.mark.parametrize("question", ["vms_in_use", "instances_in_pool"])
def test_nothing_is_ended_while_somebody_does_not_answer_who_may_object(
    endings: Cleanup, log: Path, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    """Rules 2 and 5."""
    monkeypatch.setattr(reap, question, hang)
    ends = endings.all(
        [orphan(step, step.name) for step in (OrphanStep.TERMINATE, OrphanStep.DRAIN, OrphanStep.REMOVE)]
    )
    assert {end.error for end in ends.values()} == {"not done: no answer within 8 s"}
    assert not log.read_text()
