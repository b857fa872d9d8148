"""VM jobs that HTCondor has forgotten count until an audit knows what became of their instances (rule 6)."""

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


def test_a_vm_job_that_leaves_unasked_counts_until_an_audit_that_came_long_after_it() -> None:
    memory = after(ONE, TWO)
    assert count_vanished(memory, AuditResult()) == {}
    memory = after(TWO, memory=memory)
    assert count_vanished(memory, AuditResult()) == {QUEUE: 1}
    memory = after(TWO, memory=memory, now=NOW + 600)
    assert count_vanished(memory, AuditResult()) == {QUEUE: 1}, "nobody has looked yet"
    memory = after(TWO, memory=memory, audit=AuditResult(began=NOW + 30), now=NOW + 601)
    assert count_vanished(memory, AuditResult()) == {QUEUE: 1}, (
        "the cloud may still hide it from an audit so soon after"
    )
    assert (
        count_vanished(after(TWO, memory=memory, audit=AuditResult(began=NOW + 60), now=NOW + 602), AuditResult()) == {}
    )


def test_an_instance_that_an_audit_saw_ended_counts_no_more_and_an_orphan_counts_once() -> None:
    memory = after(memory=after(ONE, TWO))
    assert count_vanished(memory, AuditResult(counted=frozenset({"vm1"}))) == {QUEUE: 1}
    assert count_vanished(
        after(memory=memory, audit=AuditResult(began=NOW + 1, ended=frozenset({"vm1"}))), AuditResult()
    ) == {QUEUE: 1}


def test_one_that_comes_back_counts_as_itself() -> None:
    memory = after(memory=after(ONE))
    assert count_vanished(after(ONE, memory=memory), AuditResult()) == {}


def test_where_no_audit_ever_tells_it_counts_for_half_an_hour() -> None:
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
def test_one_that_was_to_go_is_not_missed(fields: dict[str, Any]) -> None:
    assert count_vanished(after(memory=after(replace(ONE, **fields))), AuditResult()) == {}
    assert count_vanished(after(memory=mark_removed(after(ONE), {"vm1"})), AuditResult()) == {}


def test_one_that_the_cloud_did_not_show_once_is_missed_and_so_is_one_that_only_was_asked_to_leave() -> None:
    for fields in ({"status": 4, "grid_status": "not-found"}, {"retire_time": NOW - 9}):
        assert count_vanished(after(memory=after(replace(ONE, **fields))), AuditResult()) == {QUEUE: 1}


def test_what_is_missing_counts_among_the_orphans_of_the_world() -> None:
    def world(memory: Memory, rows: VMJobRows | None) -> Any:
        reading = Reading("jobs", NOW - 1, NOW, rows, None if rows is not None else "no answer")
        return make_world(NOW, WorldInputs({"jobs": reading}, memory, {}, "1 host 1", 600, orphans={QUEUE: 2}))

    seen = world(Memory(), VMJobRows((ONE, TWO))).memory
    assert world(seen, VMJobRows((TWO,))).orphans == {QUEUE: 3}
    assert world(seen, None).orphans == {QUEUE: 2}, "a schedd that does not answer has lost nothing (rule 2)"
