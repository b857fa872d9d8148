"""What schedds and collector may say against an ending."""

from pathlib import Path

import pytest

from factory.audit.cleanup import Cleanup, objection
from factory.audit.orphans import Orphan, OrphanStep
from factory.audit.snapshot import Snapshot
from factory.condor.schedd import orphan_checks as reap
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
    ("what", "found", "there", "why"),
    [
        (orphan(OrphanStep.DRAIN), [FREE, BUSY], OWN, None),
        (orphan(OrphanStep.DRAIN), [FREE, OWNED], OWN, "VM job 1.0 owns it"),
        (orphan(OrphanStep.TERMINATE), [FREE, FREE], OWN, None),
        (orphan(OrphanStep.TERMINATE), [FREE, OWNED], {}, "VM job 1.0 owns it"),
        (orphan(OrphanStep.TERMINATE), [FREE, BUSY], {}, "job 7.0 runs on it"),
        (orphan(OrphanStep.TERMINATE, absent=True), [FREE], OWN, "it is in the pool after all"),
        (orphan(OrphanStep.REMOVE), [OWNED], {}, None),
        (orphan(OrphanStep.REMOVE), [OWNED], OWN, "it is in the pool after all"),
        (orphan(OrphanStep.REMOVE), [OWNED, BUSY], {}, "job 7.0 runs on it"),
    ],
)
def test_what_a_job_needs_is_not_ended(
    what: Orphan, found: list[VMsInUse], there: dict[str, frozenset[str]], why: str | None
) -> None:
    assert objection(what, found, there) == why


@pytest.mark.parametrize(
    ("state", "found", "there", "why"),
    [
        ("running", [OWNED], OWN, None),
        ("running", [OWNED, BUSY], OWN, "job 7.0 runs on it"),
        ("running", [OWNED], {}, "not all ads"),
        ("running", [OWNED], {"vm1": frozenset({"i-1", "i-2"})}, "not all ads"),
        ("running", [OWNED], {"vm1": frozenset({"i-1", ""})}, "not all ads"),
        ("running", [FREE], OWN, "its VM job has left now"),
        ("running", [VMsInUse(OWNED.owned, {"vm1": frozenset({"i-2"})}, {})], OWN, "its VM job has i-2 now"),
        ("running", [BOTH], {"vm1": frozenset({"i-1", "i-2"})}, "its VM job has i-1, i-2 now"),
        ("stopped", [BOTH], {}, "its VM job has i-1, i-2 now"),
        ("stopped", [OWNED, BUSY], {}, None),
        ("stopped", [VMsInUse(OWNED.owned, {"vm1": frozenset({"i-2"})}, {})], {}, "its VM job has i-2 now"),
    ],
)
def test_a_second_instance_is_ended_only_if_the_vm_job_has_the_first_and_no_job_may_be_on_it(
    state: str, found: list[VMsInUse], there: dict[str, frozenset[str]], why: str | None
) -> None:
    """Rule 5."""
    said = objection(orphan(OrphanStep.TERMINATE, second=True, state=state), found, there)
    assert said == why if why is None else why in str(said)


def test_ends_nothing_while_a_plugin_cannot_name_its_schedds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules 2 and 5: a job of a schedd that was not asked may run there."""

    def broken() -> None:
        raise ZeroDivisionError

    path = tmp_path / "queues.conf"
    path.write_text(conf("Ready", {}, {"pool": "127.0.0.1:1"}))
    config, workers = load([path]), Workers()
    monkeypatch.setattr(config.queues[0].wmsstatus, "jobs", broken)
    monkeypatch.setattr(reap, "vms_in_use", unclaimed)
    monkeypatch.setattr(reap, "instances_in_pool", absent)
    monkeypatch.setenv("PATH", "")
    startd = Orphan("instance", "i-2", "Q", "test", OrphanStep.DRAIN, 300, vm="vm1", machine=machine())
    results = Cleanup(config, workers, Snapshot()).all([startd])
    workers.stop()
    assert "not done: plugin CondorLocal can't say which schedds it reads" in str(results["i-2"].error)
