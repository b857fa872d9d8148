"""VM jobs that vanished count until an audit settles the fate of their instances (rule 6)."""

from dataclasses import replace
from typing import Any

import pytest

from factory.model.memory import AuditResult, Memory
from factory.model.source import Reading
from factory.model.vm_job import VMJobRow, VMJobRows
from factory.world.build import WorldInputs, make_world
from factory.world.vanished_jobs import count_vanished, mark_removed, update_vanished
from tests.rig.vms import NOW, job

ONE, TWO = job("vm1"), job("vm2")
QUEUE = ONE.queue


def after(*jobs: VMJobRow, memory: Memory | None = None, audit: AuditResult | None = None, now: float = NOW) -> Memory:
    return update_vanished(memory or Memory(), jobs, audit or AuditResult(), now)


def test_vanished_job_counts_until_an_audit_that_began_a_minute_later() -> None:
    memory = after(ONE, TWO)
    assert count_vanished(memory, AuditResult()) == {}
    memory = after(TWO, memory=memory)
    assert count_vanished(memory, AuditResult()) == {QUEUE: 1}
    memory = after(TWO, memory=memory, now=NOW + 600)
    assert count_vanished(memory, AuditResult()) == {QUEUE: 1}, "no audit yet"
    memory = after(TWO, memory=memory, audit=AuditResult(began=NOW + 30), now=NOW + 601)
    assert count_vanished(memory, AuditResult()) == {QUEUE: 1}, "the cloud may not show it yet to an audit so early"
    assert (
        count_vanished(after(TWO, memory=memory, audit=AuditResult(began=NOW + 60), now=NOW + 602), AuditResult()) == {}
    )


def test_orphan_counts_once_and_ended_instance_not_at_all() -> None:
    memory = after(memory=after(ONE, TWO))
    assert count_vanished(memory, AuditResult(counted=frozenset({"vm1"}))) == {QUEUE: 1}
    assert count_vanished(
        after(memory=memory, audit=AuditResult(began=NOW + 1, ended=frozenset({"vm1"}))), AuditResult()
    ) == {QUEUE: 1}


def test_vanished_job_that_comes_back_is_no_longer_vanished() -> None:
    memory = after(memory=after(ONE))
    assert count_vanished(after(ONE, memory=memory), AuditResult()) == {}


def test_vanished_job_counts_for_half_an_hour_without_audits() -> None:
    memory = after(memory=after(ONE))
    assert count_vanished(after(memory=memory, now=NOW + 1799), AuditResult()) == {QUEUE: 1}
    assert count_vanished(after(memory=memory, now=NOW + 1800), AuditResult()) == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"status": 3},
        {"lease_end": NOW - 1},
        {"grid_status": "terminated"},
        {"grid_status": "SHUTOFF"},
    ],
)
def test_expected_end_of_a_vm_job_is_not_vanished(fields: dict[str, Any]) -> None:
    assert count_vanished(after(memory=after(replace(ONE, **fields))), AuditResult()) == {}
    assert count_vanished(after(memory=mark_removed(after(ONE), {"vm1"})), AuditResult()) == {}


def test_not_found_instances_and_retiring_vms_can_vanish() -> None:
    for fields in ({"status": 4, "grid_status": "not-found"}, {"retire_time": NOW - 9}):
        assert count_vanished(after(memory=after(replace(ONE, **fields))), AuditResult()) == {QUEUE: 1}


def test_world_counts_vanished_jobs_as_orphans() -> None:
    def world(memory: Memory, rows: VMJobRows | None) -> Any:
        reading = Reading("jobs", NOW - 1, NOW, rows, None if rows is not None else "no answer")
        return make_world(NOW, WorldInputs({"jobs": reading}, memory, {}, "1 host 1", 600, orphans={QUEUE: 2}))

    seen = world(Memory(), VMJobRows((ONE, TWO))).memory
    assert world(seen, VMJobRows((TWO,))).orphans == {QUEUE: 3}
    assert world(seen, None).orphans == {QUEUE: 2}, "no answer does not mean no jobs (rule 2)"
