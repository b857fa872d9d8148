"""States of VMs, joined from job, startd and master (rules 2, 5, 10)."""

from dataclasses import replace
from typing import Any

import pytest

from factory.condor.schedd.evictable_jobs import EvictableRows
from factory.lifecycle.vm_state import Joiner
from factory.model.memory import Memory, Seen
from factory.model.pool import MachineRow, MasterRow, PoolRows
from factory.model.source import Reading, Readings
from factory.model.status import BatchStatus, Unknown
from factory.model.vm import VM, Hold, VMState
from factory.model.vm_job import VMJobRow, VMJobRows
from factory.settings.factory import FactorySettings
from factory.settings.queue import QueueSettings
from plugins.batchstatus.condorec2 import CondorEC2
from tests.rig.vms import NOW, job, machine, master

FRESH_S = 600
OURS = "apf apf:"
SEEN = Memory({"vm1": Seen(NOW - 700)})
HELD = Hold(37, 9, "wrong key")


def joined(
    vm_job: VMJobRow, startd: MachineRow | None, its_master: MasterRow | None, memory: Memory, evictable: str = ""
) -> VM:
    pool = PoolRows(
        10_000,
        {startd.vm: startd} if startd else {},
        {its_master.vm: its_master} if its_master else {},
    )
    return Joiner(pool, frozenset({evictable}), memory, "apf", NOW, FRESH_S).vm(vm_job)


ASKED: dict[str, Any] = {"retire_time": NOW - 50}
BACK: dict[str, Any] = {"retire_time": NOW - 50, "unretire_time": NOW - 20}
OFF: dict[str, Any] = {"startd_runs": False}
GONE_MASTER: dict[str, Any] = {"heard": NOW - FRESH_S - 1}


@pytest.mark.parametrize(
    ("state", "vm_job", "startd", "its_master", "memory"),
    [
        (VMState.SUBMITTED, job(status=1, instance=None), None, None, Memory()),
        (VMState.BOOTING, job(status=1), None, None, Memory()),
        (VMState.BOOTING, job(), None, None, Memory()),
        (VMState.BOOTING, job(), None, master(), Memory()),
        (VMState.HELD, job(status=5, hold=HELD), machine(claims=1), master(), SEEN),
        (VMState.DONE, job(status=3), machine(), master(), SEEN),
        (VMState.DONE, job(status=4), None, None, SEEN),
        (VMState.JOINED, job(), machine(), master(), Memory()),
        (VMState.IDLE, job(), machine(claimed_before=True), master(), Memory()),
        (VMState.BUSY, job(), machine(claims=2, idle_since=None), master(), Memory()),
        # Retiring
        (VMState.RETIRING, job(), machine(claims=2, retiring=2), master(), SEEN),
        (VMState.RETIRING, job(), machine(claims=1, drain_reason=f"{OURS} not needed"), master(), SEEN),
        (VMState.RETIRING, job(), machine(claims=1, drain_reason="kernel"), master(), SEEN),
        (VMState.RETIRING, job(**ASKED), machine(claims=1), master(), SEEN),
        (VMState.RETIRING, job(**ASKED), None, master(), SEEN),
        (VMState.RETIRED, job(**ASKED), None, master(**OFF), SEEN),
        (VMState.RETIRED, job(**ASKED), None, master(**OFF), Memory()),
        # Asked to retire while it booted: the command is still to be sent
        (VMState.RETIRING, job(**ASKED), None, None, Memory()),
        (VMState.RETIRING, job(**ASKED), machine(started=NOW - 10), master(), SEEN),
        # Unretired
        (VMState.BUSY, job(**BACK), machine(claims=1), master(), SEEN),
        (VMState.RETIRING, job(**BACK), machine(claims=1, retiring=1), master(), SEEN),
        # Absence is no proof (rule 5), only a fresh master without startd is
        (VMState.LOST, job(), None, None, SEEN),
        (VMState.LOST, job(**ASKED), None, None, SEEN),
        (VMState.LOST, job(), None, master(), SEEN),
        (VMState.LOST, job(**ASKED), None, master(**OFF, **GONE_MASTER), SEEN),
        (VMState.RETIRED, job(), None, master(**OFF), SEEN),
        # A master also reports no startd before its first startd starts
        (VMState.BOOTING, job(), None, master(**OFF, started=NOW - 60), Memory()),
        (VMState.RETIRED, job(), None, master(**OFF, started=NOW - 200), Memory()),
        # Old ads prove nothing (rule 2)
        (VMState.LOST, job(), machine(claims=1, heard=NOW - FRESH_S - 1), master(**GONE_MASTER), SEEN),
        (VMState.LOST, job(), machine(heard=NOW - FRESH_S - 1), master(), SEEN),
    ],
)
def test_state_follows_from_job_startd_and_master(
    state: VMState, vm_job: VMJobRow, startd: MachineRow | None, its_master: MasterRow | None, memory: Memory
) -> None:
    vm = joined(vm_job, startd, its_master, memory)
    assert vm.state is state, vm.why
    assert vm.why


@pytest.mark.parametrize("foreign", [machine(identity="eve@pool", claims=1), machine(instance="i-2", claims=1)])
def test_startd_counts_only_if_identity_and_instance_match_the_job(foreign: MachineRow) -> None:
    vm = joined(job(), foreign, None, Memory())
    assert vm.state is VMState.BOOTING
    assert vm.startd is None
    assert "has its APFVM under identity eve@pool" in vm.why or "runs on i-2, not on i-1" in vm.why


def test_foreign_master_proves_nothing() -> None:
    assert joined(job(**ASKED), None, master(**OFF, identity="eve@pool"), SEEN).state is VMState.LOST


def test_vm_with_old_ads_is_not_idle() -> None:
    assert joined(job(), machine(heard=NOW - FRESH_S - 1), master(), SEEN).idle_since is None
    assert joined(job(), machine(), master(), SEEN).idle_since == NOW - 100


def test_evictable_job_marks_its_vm() -> None:
    assert joined(job(), machine(claims=1), master(), SEEN, evictable="vm1").evictable
    assert not joined(job(), machine(claims=1), master(), SEEN, evictable="vm2").evictable


def test_drain_of_another_factory_is_not_ours() -> None:
    """Rule 10, even if its id begins like ours."""
    for reason, ours in ((f"{OURS} not needed", True), ("apf apf2: not needed", False), ("", False)):
        vm = joined(job(), machine(drain_reason=reason), master(), SEEN)
        assert vm.drain is not None
        assert vm.drain.ours is ours


QUEUE = QueueSettings(
    name="Q", batchstatusplugin="CondorEC2", schedplugin=("Ready",), batchsubmitplugin="CondorEC2"
)  # fmt: skip


def status(jobs: VMJobRows | str | None, pool: PoolRows | str | None, **ages: Any) -> BatchStatus | Unknown:
    """Return the batch status after two polls, each with rows, an error, or no answer yet."""
    plugin = CondorEC2(QUEUE, CondorEC2.Settings(), FactorySettings(update_interval=300))
    pool_source, jobs_source = plugin.sources()
    readings = {}
    for source, rows in ((jobs_source, jobs), (pool_source, pool)):
        at = NOW - ages.get("age", 1)
        if isinstance(rows, str):
            readings[source.key] = Reading(source.key, at, at, error=rows)
        elif rows is not None:
            readings[source.key] = Reading(source.key, at, at, rows)
    return plugin.read(Readings(NOW, readings, after=ages.get("after", 0)), Memory())


def test_ads_age_until_the_collector_poll_not_until_a_slow_schedd_answers() -> None:
    pool = PoolRows(10_000, {"vm1": machine(heard=NOW - 900)}, {"vm1": master(heard=NOW - 900)})
    for asked_ago, state in ((310, VMState.JOINED), (290, VMState.LOST)):
        known = status(VMJobRows((job(),)), pool, age=asked_ago)
        assert isinstance(known, BatchStatus)
        assert known.vms[0].state is state


POOL = PoolRows(10_000)
JOBS = VMJobRows((job(), job("vm2", queue="OTHER")))


def test_unknown_without_schedd_or_collector() -> None:
    """Rule 2."""
    known = status(JOBS, POOL)
    assert isinstance(known, BatchStatus)
    assert [vm.uuid for vm in known.vms] == ["vm1"]
    assert status(VMJobRows(), POOL) == BatchStatus()
    for unknown in (
        status("timed out", POOL), status(JOBS, "refused"), status(None, POOL), status(JOBS, None),
        status(JOBS, POOL, age=361), status(JOBS, POOL, after=NOW - 1),
    ):  # fmt: skip
        assert isinstance(unknown, Unknown)


def test_unknown_until_a_restarted_collector_has_every_startd() -> None:
    """Rule 2."""
    young = status(JOBS, PoolRows(599))
    assert isinstance(young, Unknown)
    assert "data count after 600 s" in young.reason
    assert isinstance(status(JOBS, PoolRows(600)), BatchStatus)
    assert isinstance(status(VMJobRows((job(instance=None),)), PoolRows(1)), BatchStatus), "no startd can report"


def test_startd_missed_by_one_poll_still_counts_as_running() -> None:
    gone = Memory({"vm1": Seen(NOW - 700, gone=NOW)})
    assert joined(job(), None, None, gone).missed_once
    before = Memory({"vm1": Seen(NOW - 700, gone=NOW - 1)})
    assert not joined(job(), None, None, before).missed_once
    assert not joined(job(), machine(identity="eve@pool"), None, gone).missed_once, (
        "a foreign startd is not a missing one"
    )


def test_age_of_ads_is_judged_by_the_vms_own_update_interval() -> None:
    """Rule 2: update_interval may be lowered while VMs run."""
    heard = machine(heard=NOW - FRESH_S - 100), master(heard=NOW - FRESH_S - 100)
    assert joined(job(), *heard, SEEN).state is VMState.LOST
    assert joined(job(update_s=FRESH_S), *heard, SEEN).state is VMState.JOINED
    young = status(VMJobRows((job(update_s=500),)), PoolRows(999))
    assert isinstance(young, Unknown)
    assert "data count after 1000 s" in young.reason


def test_young_master_proves_no_empty_vm() -> None:
    early = master(**OFF, started=NOW - 60, heard=NOW - 45)
    assert joined(job(**ASKED), None, early, Memory()).state is VMState.RETIRING
    assert joined(job(**ASKED), None, replace(early, heard=NOW - 1), Memory()).state is VMState.RETIRED
    assert joined(job(**ASKED), None, early, SEEN).state is VMState.RETIRED, "its startd was seen and has left"


def test_startd_of_a_held_job_is_known_while_its_ads_are_fresh() -> None:
    """Rule 5: its instance must not end while jobs run."""
    known = joined(job(status=5, hold=HELD), machine(claims=2, retiring=2), master(), SEEN)
    assert (known.state, known.slots, known.claims, known.retire_seen) == (VMState.HELD, ("slot1@vm1",), 2, True)
    assert joined(job(status=5, hold=HELD), machine(heard=NOW - FRESH_S - 1), None, SEEN).slots == ()


def test_evictable_jobs_of_every_schedd_mark_their_vms() -> None:
    plugin = CondorEC2(QUEUE, CondorEC2.Settings(), FactorySettings(update_interval=300))
    pool, jobs = plugin.sources()
    seen = {
        pool.key: PoolRows(10_000, {"vm1": machine(claims=1, idle_since=None)}, {"vm1": master()}),
        jobs.key: VMJobRows((job(),)),
        "elsewhere": EvictableRows(frozenset({"vm1"})),
    }
    by_key = {key: Reading(key, NOW - 1, NOW - 1, rows) for key, rows in seen.items()}
    status = plugin.read(Readings(NOW, by_key), Memory())
    assert isinstance(status, BatchStatus)
    assert status.vms[0].evictable
    by_key["elsewhere"] = Reading("elsewhere", NOW - 1, NOW - 1, error="no answer")
    status = plugin.read(Readings(NOW, by_key), Memory())
    assert isinstance(status, BatchStatus), "a silent schedd blocks no queue"
    assert not status.vms[0].evictable


def test_busy_vm_counts_although_its_job_is_still_idle() -> None:
    """HTCondor may treat a launch as unanswered; then the VM job stays idle (seen on 23.9 and 25)."""
    late = job(status=1)
    assert joined(late, machine(claims=1, idle_since=None), master(), SEEN).state is VMState.BUSY
    assert joined(replace(late, retire_time=NOW - 50), None, master(**OFF), SEEN).state is VMState.RETIRED
    assert joined(late, None, None, SEEN).state is VMState.LOST
    assert joined(late, None, None, Memory()).state is VMState.BOOTING
    assert joined(replace(late, instance=None), machine(), master(), Memory()).state is VMState.BOOTING
