"""The audit of the running factory: of what it keeps its hands off."""

from dataclasses import replace
from pathlib import Path

import pytest

from factory.audit import reaper as reaper_module
from factory.audit.history import AuditHistory, AuditSnapshot, OrphanRules
from factory.audit.inventory import build_inventory
from factory.audit.orphans import find_orphans
from factory.audit.reaper import Reaper, exempt_queues, summarize
from factory.audit.snapshot import Snapshot, clouds_by_account
from factory.config import load
from factory.model.cloud import InstanceRow
from factory.model.pool import PoolRows
from factory.process.workers import Workers
from factory.state.directory import StateDir
from factory.state.pauses import Pause, Pauses
from tests.rig.chains import conf
from tests.rig.vms import job

PAUSE = Pause(0, "somebody")
WHOLE, THIS, ANOTHER = Pauses(factory=PAUSE), Pauses(queues={"Q": PAUSE}), Pauses(queues={"OTHER": PAUSE})


@pytest.fixture
def seen(tmp_path: Path) -> Snapshot:
    path = tmp_path / "queues.conf"
    path.write_text(conf("Ready", {}))
    return Snapshot(
        inventory=build_inventory([job(queue="REMOVED")], PoolRows(10_000), []), clouds=clouds_by_account(load([path]))
    )


def test_of_a_factory_that_is_paused_nothing_is_touched_whatever_queue_it_is_of(seen: Snapshot) -> None:
    found = exempt_queues(WHOLE, seen)
    assert "paused by somebody" in found["*"]
    assert {"Q", "REMOVED"} < found.keys()


@pytest.mark.parametrize(("pauses", "held"), [(THIS, True), (ANOTHER, False), (Pauses(), False)])
def test_what_the_account_of_a_paused_queue_has_and_no_queue_is_not_touched(
    seen: Snapshot, pauses: Pauses, held: bool
) -> None:
    """Such as a key pair."""
    (account,) = seen.clouds
    found = exempt_queues(pauses, seen)
    assert (account in found, "Q" in found, "*" in found) == (held, held, False)


def test_a_second_instance_does_not_count_for_the_one_that_its_vm_job_has() -> None:
    """Rule 6: if that job is missed, its instance counts beside the second one."""
    first, second, alone = (
        InstanceRow(name, "running", vm, "Q", "", "", 0, "ap@pool")
        for name, vm in (("i-1", "vm1"), ("i-2", "vm1"), ("i-3", "vm3"))
    )
    scene = AuditSnapshot(build_inventory([job()], PoolRows(10_000), [first, second, alone]), "ap@pool", 0, 50)
    orphans, _ = find_orphans(scene, AuditHistory(), OrphanRules())
    assert {orphan.name for orphan in orphans if orphan.counts} == {"i-2", "i-3"}
    assert summarize(scene, orphans).counted == {"vm3"}
    assert summarize(scene, orphans).began == 50, "by a clock that nobody sets"


def test_the_rounds_are_told_which_vms_have_nothing_left_in_the_cloud_with_or_without_a_vm_job() -> None:
    states = [("i-1", "terminated", "vm1"), ("i-2", "terminated", "vm2"), ("i-3", "running", "vm2"), ("i-4", "x", "")]
    rows = [InstanceRow(name, state, vm, "Q", "", "", 0, "ap@pool") for name, state, vm in states]
    scene = AuditSnapshot(build_inventory([], PoolRows(10_000), rows), "ap@pool", 0, 0)
    assert summarize(scene, ()).ended == {"vm1"}


def test_a_queue_waits_for_a_schedd_and_a_collector_that_do_not_answer_and_not_for_some_that_it_does_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its batch status may be a plugin of somebody else's, and then nothing of its VMs is ever audited."""
    path = tmp_path / "queues.conf"
    path.write_text(conf("Ready", {}))
    config, statedir, workers = load([path]), StateDir(tmp_path, "apf"), Workers()
    statedir.open()
    reaper = Reaper(config, workers, statedir, "1 host 1")
    assert reaper.unasked == {"Q"}
    seen = Snapshot(pool=False, unknown=("jobs: no answer",), clouds=clouds_by_account(config), lacking=True)
    for lacking, unasked in ((True, {"Q"}), (False, set())):
        monkeypatch.setattr(reaper_module, "take_snapshot", lambda *_, lacking=lacking: replace(seen, lacking=lacking))
        reaper.audit()
        assert reaper.unasked == unasked
    workers.stop()
