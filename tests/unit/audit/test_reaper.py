"""Audits of the running factory: exemptions, counts and queues that wait for an audit."""

from dataclasses import replace
from pathlib import Path

import pytest

from factory.audit import reaper as reaper_module
from factory.audit.history import AuditHistory, AuditSnapshot, OrphanRules
from factory.audit.inventory import build_inventory
from factory.audit.orphans import find_orphans
from factory.audit.reaper import Reaper, exempt_queues
from factory.audit.result import summarize
from factory.audit.snapshot import Snapshot, clouds_by_account
from factory.config import load
from factory.model.cloud import InstanceRow
from factory.model.memory import AuditResult
from factory.model.pool import PoolRows
from factory.process.workers import Workers
from factory.state.directory import StateDir
from factory.state.pauses import Pause, Pauses
from tests.rig.chains import conf
from tests.rig.vms import job

PAUSE = Pause(0, "somebody")
WHOLE, THIS, ANOTHER = Pauses(factory=PAUSE), Pauses(queues={"Q": PAUSE}), Pauses(queues={"OTHER": PAUSE})


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    path = tmp_path / "queues.conf"
    path.write_text(conf("Ready", {}))
    return Snapshot(
        inventory=build_inventory([job(queue="REMOVED")], PoolRows(10_000), []), clouds=clouds_by_account(load([path]))
    )


def test_paused_factory_exempts_everything(snapshot: Snapshot) -> None:
    exempt = exempt_queues(WHOLE, snapshot)
    assert "paused by somebody" in exempt["*"]
    assert {"Q", "REMOVED"} < exempt.keys()


@pytest.mark.parametrize(("pauses", "is_exempt"), [(THIS, True), (ANOTHER, False), (Pauses(), False)])
def test_paused_queue_exempts_its_account(snapshot: Snapshot, pauses: Pauses, is_exempt: bool) -> None:
    """Key pairs belong to an account and to no queue."""
    (account,) = snapshot.clouds
    exempt = exempt_queues(pauses, snapshot)
    assert (account in exempt, "Q" in exempt, "*" in exempt) == (is_exempt, is_exempt, False)


def test_second_instance_does_not_count_for_the_first() -> None:
    """Rule 6: if the VM job vanishes, its own instance counts beside the second one."""
    first, second, alone = (
        InstanceRow(name, "running", vm, "Q", "", "", 0, "ap@pool")
        for name, vm in (("i-1", "vm1"), ("i-2", "vm1"), ("i-3", "vm3"))
    )
    snapshot = AuditSnapshot(build_inventory([job()], PoolRows(10_000), [first, second, alone]), "ap@pool", 0, 50)
    orphans, _ = find_orphans(snapshot, AuditHistory(), OrphanRules())
    assert {orphan.name for orphan in orphans if orphan.counts} == {"i-2", "i-3"}
    assert summarize(snapshot, orphans, {}, AuditResult()).counted == {"vm3"}


def test_summary_names_vms_whose_instances_have_all_ended() -> None:
    states = [("i-1", "terminated", "vm1"), ("i-2", "terminated", "vm2"), ("i-3", "running", "vm2"), ("i-4", "x", "")]
    rows = [InstanceRow(name, state, vm, "Q", "", "", 0, "ap@pool") for name, state, vm in states]
    snapshot = AuditSnapshot(build_inventory([], PoolRows(10_000), rows), "ap@pool", 0, 0)
    assert summarize(snapshot, (), {}, AuditResult()).ended == {"vm1"}


def test_summary_keeps_what_is_known_of_a_cloud_that_did_not_answer() -> None:
    queues = {"east": {"Q", "R"}, "west": {"S"}, "north": {"T"}}
    before = AuditResult({"Q": 10, "S": 20, "GONE": 5}, frozenset({"Q", "S", "GONE"}), frozenset({"vm1"}))
    rows = [InstanceRow("i-2", "terminated", "vm2", "Q", "", "", 0, "ap@pool")]
    snapshot = AuditSnapshot(
        build_inventory([], PoolRows(10_000), rows), "ap@pool", 0, 50, answered=frozenset({"east"}), complete=False
    )
    result = summarize(snapshot, (), queues, before)
    assert result.began == {"Q": 50, "R": 50, "S": 20, "T": 0}, "by the steady clock"
    assert (set(result.asked), set(result.ended)) == ({"Q", "R", "S", "T"}, {"vm1", "vm2"})
    assert summarize(replace(snapshot, complete=True), (), queues, before).ended == {"vm2"}


def test_queue_waits_for_an_audit_only_if_its_plugin_reads_the_pool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch status plugin of another package may read no VM jobs; its VMs are then never audited."""
    path = tmp_path / "queues.conf"
    path.write_text(conf("Ready", {}))
    config, statedir, workers = load([path]), StateDir(tmp_path, "apf"), Workers()
    statedir.open()
    reaper = Reaper(config, workers, statedir, "1 host 1")
    assert reaper.unaudited == {"Q"}
    snapshot = Snapshot(
        pool_answered=False, unknown=("jobs: no answer",), clouds=clouds_by_account(config), pool_failed=True
    )
    for failed, unaudited in ((True, {"Q"}), (False, set())):
        after = replace(snapshot, pool_failed=failed)
        monkeypatch.setattr(reaper_module, "take_snapshot", lambda *_, after=after: after)
        reaper.audit()
        assert reaper.unaudited == unaudited
    workers.stop()
