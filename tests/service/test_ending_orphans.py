"""Ending orphans: what can't be undone comes first, and what hangs delays nothing else."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from factory.audit.cleanup import Cleanup
from factory.audit.orphans import Orphan, OrphanStep
from factory.audit.snapshot import AccountCloud, Snapshot
from factory.condor.schedd import actions, orphan_checks
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
    """File to which every step is written, in order. Commands to startds named ``hangs…`` never return."""
    log, bin_dir = tmp_path / "log", tmp_path / "bin"
    bin_dir.mkdir()
    for name in ("condor_off", "condor_drain"):
        program = bin_dir / name
        program.write_text(f'#!/bin/sh\ncase "$*" in *hangs*) exec sleep 3600;; esac\necho {name} "$@" >> {log}\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_dir}:{os.environ['PATH']}")
    monkeypatch.setattr(orphan_checks, "vms_in_use", unclaimed)
    monkeypatch.setattr(orphan_checks, "instances_in_pool", absent)
    log.touch()
    return log


@pytest.fixture
def cleanup(tmp_path: Path, log: Path) -> Iterator[Cleanup]:
    path = tmp_path / "queues.conf"
    path.write_text(conf("Ready", {}, {"deadline": 8, "command_timeout": 1, "pool": "127.0.0.1:1"}))
    queue = QueueSettings(name="Q", batchstatusplugin="", schedplugin=(), batchsubmitplugin="")
    plugin = Site(queue, PluginSettings(), FactorySettings())
    plugin.log = log
    clouds = {}
    for url in ("one", "two", "hangs", "meets1", "meets2", "meets3"):
        account = Account("Site", url)
        clouds[url] = AccountCloud(plugin, account, plugin.instances(account), frozenset({"Q"}))
    workers = Workers()
    yield Cleanup(load([path]), workers, Snapshot(clouds=clouds))
    workers.stop()


def orphan(step: OrphanStep, name: str, account: str = "one") -> Orphan:
    row = InstanceRow(name, "running", name, "Q", "", "", 0, "ap@pool") if step is OrphanStep.TERMINATE else None
    return Orphan(
        "instance", name, "Q", "test", step, 300, vm=name, account=account, instance=row,
        startd=machine(name) if step is OrphanStep.DRAIN else None,
        job=job(name) if step is OrphanStep.REMOVE else None,
    )  # fmt: skip


def test_unreachable_startds_delay_no_termination(cleanup: Cleanup, log: Path) -> None:
    """A hundred of them take twice the time of one command."""
    hanging = [orphan(OrphanStep.DRAIN, f"hangs{i}") for i in range(100)]
    first, last = orphan(OrphanStep.DRAIN, "vm1"), orphan(OrphanStep.DRAIN, "vm2")
    results = cleanup.run(
        [first, *hanging, last, orphan(OrphanStep.TERMINATE, "i-1"), orphan(OrphanStep.DELETE, "SSH_1")]
    )
    done = log.read_text().splitlines()
    assert [done[0], done[1].split()[-1], done[2]] == ["end i-1", "vm1", "end SSH_1"]
    assert {name for name, result in results.items() if result.error is None} == {"i-1", "vm1", "SSH_1"}
    tried = [name for name, result in results.items() if result.tried and name.startswith("hangs")]
    assert 16 <= len(tried) <= 32
    assert not results["vm2"].tried, "its turn is still to come"


def test_asks_accounts_in_parallel(cleanup: Cleanup) -> None:
    three = [orphan(OrphanStep.TERMINATE, f"i-{account}", account) for account in ("meets1", "meets2", "meets3")]
    config = replace(cleanup.config, factory=cleanup.config.factory.model_copy(update={"deadline": 40}))
    assert [result.error for result in replace(cleanup, config=config).run(three).values()] == [None] * 3


def test_account_that_does_not_answer_delays_no_other(cleanup: Cleanup, log: Path) -> None:
    accounts = ("one", "hangs", "two")
    results = cleanup.run([orphan(OrphanStep.TERMINATE, f"i-{account}", account) for account in accounts])
    assert [result.error for result in results.values()] == [None, "no answer within 8 s", None]
    assert sorted(log.read_text().splitlines()) == ["end i-one", "end i-two"]


def test_waits_once_for_a_schedd_that_hangs(cleanup: Cleanup, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 12."""
    monkeypatch.setattr(actions, "remove", hang)
    results = cleanup.run([orphan(OrphanStep.REMOVE, f"{i}.0") for i in range(20)])
    assert [result.tried for result in results.values()] == [True] + [False] * 19


@pytest.mark.parametrize("question", ["vms_in_use", "instances_in_pool"])
def test_ends_nothing_while_a_daemon_that_may_object_is_silent(
    cleanup: Cleanup, log: Path, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    """Rules 2 and 5."""
    monkeypatch.setattr(orphan_checks, question, hang)
    results = cleanup.run(
        [orphan(step, step.name) for step in (OrphanStep.TERMINATE, OrphanStep.DRAIN, OrphanStep.REMOVE)]
    )
    assert {result.error for result in results.values()} == {"not done: no answer within 8 s"}
    assert not log.read_text()
