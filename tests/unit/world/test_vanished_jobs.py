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
NONE = AuditResult(asked=frozenset({QUEUE}))
"""No audit has been answered yet."""


def audited(began: float, **fields: frozenset[str]) -> AuditResult:
    return replace(NONE, began={QUEUE: began}, **fields)


def after(*jobs: VMJobRow, memory: Memory | None = None, audit: AuditResult = NONE, now: float = NOW) -> Memory:
    return update_vanished(memory or Memory(), jobs, audit, now)


def vanished(memory: Memory, audit: AuditResult = NONE, *, expected: bool = False) -> int:
    return count_vanished(memory, audit, expected=expected).get(QUEUE, 0)


def test_vanished_job_counts_until_an_audit_that_began_a_minute_later() -> None:
    memory = after(ONE, TWO)
    assert vanished(memory) == 0
    memory = after(TWO, memory=memory)
    assert vanished(memory) == 1
    memory = after(TWO, memory=memory, now=NOW + 100_000)
    assert vanished(memory) == 1, "no audit yet"
    memory = after(TWO, memory=memory, audit=audited(NOW + 30), now=NOW + 601)
    assert vanished(memory) == 1, "the cloud may not show it yet to an audit so early"
    assert vanished(after(TWO, memory=memory, audit=audited(NOW + 60), now=NOW + 602)) == 0


def test_orphan_counts_once_and_ended_instance_not_at_all() -> None:
    memory = after(memory=after(ONE, TWO))
    assert vanished(memory, replace(NONE, counted=frozenset({"vm1"}))) == 1
    assert vanished(after(memory=memory, audit=audited(NOW + 1, ended=frozenset({"vm1"})))) == 1


def test_vanished_job_that_comes_back_is_no_longer_vanished() -> None:
    memory = after(memory=after(ONE))
    assert vanished(after(ONE, memory=memory)) == 0


def test_vanished_job_of_a_queue_that_is_never_audited_counts_for_half_an_hour() -> None:
    other = AuditResult({"other": NOW + 60}, frozenset({"other"}))
    memory = after(memory=after(ONE))
    assert vanished(after(memory=memory, audit=other, now=NOW + 1799)) == 1
    assert vanished(after(memory=memory, audit=other, now=NOW + 1800)) == 0


@pytest.mark.parametrize("fields", [{"status": 3}, {"lease_end": NOW - 1}])
def test_removed_and_expired_vm_jobs_count_until_an_audit(fields: dict[str, Any]) -> None:
    """A cloud that answers with garbage makes HTCondor believe that their instances have ended."""
    memory = after(memory=after(replace(ONE, **fields)))
    assert (vanished(memory), vanished(memory, expected=True)) == (0, 1)
    assert vanished(after(memory=memory, audit=audited(NOW + 59)), expected=True) == 1
    assert vanished(after(memory=memory, audit=audited(NOW + 60)), expected=True) == 0
    assert vanished(after(memory=memory, audit=audited(NOW + 1, ended=frozenset({"vm1"}))), expected=True) == 0
    assert vanished(memory, audited(NOW + 60, counted=frozenset({"vm1"})), expected=True) == 0, "it is an orphan"


def test_vm_jobs_that_the_factory_removes_count_until_an_audit() -> None:
    memory = mark_removed(after(ONE, TWO), {"vm1"})
    assert vanished(memory, expected=True) == 0, "the VM job counts itself"
    memory = after(TWO, memory=memory)
    assert (vanished(memory), vanished(memory, expected=True)) == (0, 1)


@pytest.mark.parametrize("fields", [{"grid_status": "terminated"}, {"grid_status": "SHUTOFF"}])
def test_instance_that_the_cloud_called_terminated_has_not_vanished(fields: dict[str, Any]) -> None:
    for more in ({}, {"status": 3}, {"lease_end": NOW - 1}):
        memory = after(memory=mark_removed(after(replace(ONE, **(fields | more))), {"vm1"}))
        assert (vanished(memory), vanished(memory, expected=True)) == (0, 0)


def test_not_found_instances_and_retiring_vms_can_vanish() -> None:
    for fields in ({"status": 4, "grid_status": "not-found"}, {"retire_time": NOW - 9}):
        assert vanished(after(memory=after(replace(ONE, **fields)))) == 1


def test_world_counts_vanished_jobs_as_orphans() -> None:
    def world(memory: Memory, rows: VMJobRows | None) -> Any:
        reading = Reading("jobs", NOW - 1, NOW, rows, None if rows is not None else "no answer")
        return make_world(NOW, WorldInputs({"jobs": reading}, memory, {}, "1 host 1", 600, orphans={QUEUE: 2}))

    seen = world(Memory(), VMJobRows((ONE, TWO, replace(job("vm3"), status=3)))).memory
    found = world(seen, VMJobRows((TWO,)))
    assert (found.orphans, found.ending) == ({QUEUE: 3}, {QUEUE: 1})
    assert world(seen, None).orphans == {QUEUE: 2}, "no answer does not mean no jobs (rule 2)"
