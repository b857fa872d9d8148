"""Objections of schedds and collector to steps against orphans."""

from dataclasses import replace
from pathlib import Path

import pytest

from factory.audit.cleanup import Cleanup, objection
from factory.audit.orphans import Orphan, OrphanStep
from factory.audit.snapshot import Snapshot
from factory.condor.schedd import orphan_checks
from factory.condor.schedd.orphan_checks import VMsInUse
from factory.config import load
from factory.model.cloud import InstanceRow
from factory.process.workers import Workers
from tests.rig.chains import conf
from tests.rig.endings import absent, unclaimed
from tests.rig.vms import job, machine

FREE = VMsInUse({}, {}, {})
OWNED = VMsInUse({"vm1": "VM job 1.0 owns it"}, {"vm1": frozenset({"i-1"})}, {})
BOTH = VMsInUse(OWNED.owned, {"vm1": frozenset({"i-1", "i-2"})}, {})
BUSY = VMsInUse({}, {}, {"vm1": "job 7.0 runs on it"})
OWN = {"vm1": frozenset({"i-1"})}


def orphan(step: OrphanStep, second: bool = False, state: str = "running", absent: bool = False) -> Orphan:
    row = InstanceRow("i-2", state, "vm1", "Q", "", "", 0, "ap@pool")
    return Orphan(
        "instance", "i-2", "Q", "test", step, 300, vm="vm1", instance=row, job=job() if second else None, absent=absent
    )


@pytest.mark.parametrize(
    ("each", "in_use", "in_pool", "why"),
    [
        (orphan(OrphanStep.DRAIN), [FREE, BUSY], OWN, None),
        (orphan(OrphanStep.DRAIN), [FREE, OWNED], OWN, "VM job 1.0 owns it"),
        (orphan(OrphanStep.TERMINATE), [FREE, FREE], OWN, None),
        (orphan(OrphanStep.TERMINATE), [FREE, OWNED], {}, "VM job 1.0 owns it"),
        (orphan(OrphanStep.TERMINATE), [FREE, BUSY], {}, "job 7.0 runs on it"),
        (orphan(OrphanStep.TERMINATE, absent=True), [FREE], OWN, "it is in the pool"),
        (orphan(OrphanStep.REMOVE), [OWNED], {}, None),
        (orphan(OrphanStep.REMOVE), [OWNED], OWN, "it is in the pool"),
        (orphan(OrphanStep.REMOVE), [OWNED, BUSY], {}, "job 7.0 runs on it"),
    ],
)
def test_objects_to_ending_what_a_job_needs(
    each: Orphan, in_use: list[VMsInUse], in_pool: dict[str, frozenset[str]], why: str | None
) -> None:
    assert objection(each, in_use, in_pool, 2400) == why


@pytest.mark.parametrize("step", [OrphanStep.TERMINATE, OrphanStep.REMOVE])
def test_job_keeps_what_is_proven_empty_for_a_job_lease(step: OrphanStep) -> None:
    """A user can write into the ad of their own job that it runs there."""
    each = orphan(step)
    for proven_s, kept in ((0.0, True), (2399.0, True), (2400.0, False)):
        why = objection(replace(each, proven_s=proven_s), [BUSY], {}, 2400)
        assert why == (
            "job 7.0 runs on it, by its own word; that counts for 2400 s after the first proof" if kept else None
        )
    assert objection(replace(each, expired=True), [BUSY], {}, 2400) is None
    owned = objection(replace(orphan(OrphanStep.TERMINATE), proven_s=9999), [OWNED], {}, 2400)
    assert owned == "VM job 1.0 owns it"


@pytest.mark.parametrize(
    ("state", "in_use", "in_pool", "why"),
    [
        ("running", [OWNED], OWN, None),
        ("running", [OWNED, BUSY], OWN, "job 7.0 runs on it"),
        ("running", [OWNED], {}, "not all ads"),
        ("running", [OWNED], {"vm1": frozenset({"i-1", "i-2"})}, "not all ads"),
        ("running", [OWNED], {"vm1": frozenset({"i-1", ""})}, "not all ads"),
        ("running", [FREE], OWN, "its VM job has left the queue"),
        ("running", [VMsInUse(OWNED.owned, {"vm1": frozenset({"i-2"})}, {})], OWN, "its VM job now records i-2"),
        ("running", [VMsInUse(OWNED.owned, {"vm1": frozenset({""})}, {})], OWN, "its VM job now records no instance"),
        ("running", [BOTH], {"vm1": frozenset({"i-1", "i-2"})}, "its VM job now records i-1, i-2"),
        ("stopped", [BOTH], {}, "its VM job now records i-1, i-2"),
        ("stopped", [OWNED, BUSY], {}, None),
        ("stopped", [VMsInUse(OWNED.owned, {"vm1": frozenset({"i-2"})}, {})], {}, "its VM job now records i-2"),
    ],
)
def test_objects_to_ending_a_second_instance_that_may_run_a_job(
    state: str, in_use: list[VMsInUse], in_pool: dict[str, frozenset[str]], why: str | None
) -> None:
    """Rule 5: the VM job must still record the first instance."""
    answer = objection(orphan(OrphanStep.TERMINATE, second=True, state=state), in_use, in_pool, 2400)
    assert answer == why if why is None else why in str(answer)


def test_ends_nothing_while_a_plugin_cannot_name_its_schedds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules 2 and 5: a job of the schedd that is not asked may run there."""

    def broken() -> None:
        raise ZeroDivisionError

    path = tmp_path / "queues.conf"
    path.write_text(conf("Ready", {}, {"pool": "127.0.0.1:1"}))
    config, workers = load([path]), Workers()
    monkeypatch.setattr(config.queues[0].wmsstatus, "jobs", broken)
    monkeypatch.setattr(orphan_checks, "vms_in_use", unclaimed)
    monkeypatch.setattr(orphan_checks, "instances_in_pool", absent)
    monkeypatch.setenv("PATH", "")
    startd = Orphan("instance", "i-2", "Q", "test", OrphanStep.DRAIN, 300, vm="vm1", startd=machine())
    results = Cleanup(config, workers, Snapshot()).run([startd])
    workers.stop()
    assert "not done: plugin CondorLocal failed to name its schedds" in str(results["i-2"].error)
