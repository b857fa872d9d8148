"""Timeouts of VMs, with and without polls that watched them."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from factory.lifecycle.plan import plan
from factory.lifecycle.policy import VMPolicy
from factory.lifecycle.timeouts import Timeouts, Traces
from factory.model.actions import Plan, Remove, Retire
from factory.model.ask import Ask
from factory.model.memory import FitMemory, Memory, Newcomer, Seen
from factory.model.shape import Shape
from factory.model.status import BatchStatus
from factory.model.vm import VM, VMState
from factory.world.tracking import track
from tests.rig.vms import NOW, vm

TIMES = Timeouts(start_s=1800, boot_s=900, job_s=600, lost_s=3600)
POLICY = VMPolicy(queue="Q", shape=Shape("ami-1", "m5.large"), removefraction=1, timeouts=TIMES)


def planned(known: VM, **memory: Any) -> Plan:
    return plan(POLICY, Ask(), BatchStatus.of_vms([known]), Memory(**memory), NOW)


def booting(ran: float) -> VM:
    return vm("vm1", VMState.BOOTING, entered_status=NOW - ran)


def test_removes_a_watched_vm_that_never_joined_after_boottimeout() -> None:
    """Rule 5: docs/decisions/0009-never-joined.md."""
    watched: dict[str, Any] = {"absent": {"vm1": NOW - 1000}, "unseen": {"vm1": NOW - 1000}}
    assert planned(booting(899), **watched).actions == ()
    (removal,) = planned(booting(901), **watched).actions
    assert isinstance(removal, Remove)
    assert removal.absent, "the collector is asked again"
    assert removal.vm is not None, "the schedd is asked again"
    assert 'EC2InstanceName == "i-vm1"' in removal.still
    assert "never joined" in removal.reason
    assert not removal.master
    advising = replace(POLICY, timeouts=replace(TIMES, advice="try X"))
    (removal,) = plan(advising, Ask(), BatchStatus.of_vms([booting(901)]), Memory(**watched), NOW).actions
    assert isinstance(removal, Remove)
    assert removal.reason.endswith("and never joined the pool; try X")


def test_removes_a_vm_whose_master_alone_joined_after_boottimeout() -> None:
    """The collector may refuse ads of its startd. No job can have run there, and its master proves nothing else."""
    assert planned(booting(899), unseen={"vm1": NOW - 1000}).actions == ()
    found = planned(booting(901), unseen={"vm1": NOW - 1000})
    (removal,) = found.actions
    assert isinstance(removal, Remove)
    assert removal.absent, "the collector is asked again for its startd"
    assert removal.master
    assert found.health is not None
    assert list(found.health.launches.values()) == [(False,)]
    assert planned(booting(901), unseen={"vm1": NOW - 900}).actions == (), "not watched from the start"


def test_removes_a_vm_whose_instance_does_not_start_in_time() -> None:
    def starting(waits: float, **fields: Any) -> VM:
        known = {"job_status": 1, "grid_status": "pending", "submitted": NOW - waits, **fields}
        return vm("vm1", VMState.BOOTING, **known)

    assert TIMES.stuck(starting(899), NOW) is None
    assert TIMES.stuck(starting(901), NOW) == "instance is still pending after 901 s"
    assert planned(starting(1799)).actions == ()
    found = planned(starting(1801))
    (removal,) = found.actions
    assert isinstance(removal, Remove)
    assert 'JobStatus == 1 && EC2InstanceName == "i-vm1"' in removal.still
    assert removal.absent
    assert found.health is not None
    assert list(found.health.launches.values()) == [(False,)]
    asked = replace(starting(1801, retire_time=NOW - 900), state=VMState.RETIRING)
    assert len(planned(asked).actions) == 1, "a VM that is due to retire when it joins is removed too"
    assert planned(starting(90_000, entered_status=NOW - 100)).actions == (), "just released from hold"


def test_useless_vms_count_against_their_shape() -> None:
    def counted(known: VM, **memory: Any) -> list[tuple[bool, ...]]:
        health = planned(known, **memory).health
        assert health is not None
        return list(health.launches.values())

    gone = vm("vm1", VMState.RETIRED)
    assert counted(gone, unseen={"vm1": NOW - 2000}) == [], "not watched"
    watched = {"unseen": {"vm1": NOW - 2000}}
    assert counted(replace(gone, entered_status=NOW - 900), **watched) == [(False,)]
    assert counted(replace(gone, entered_status=NOW - 900, retire_time=NOW - 500), **watched) == [], "asked to"
    assert counted(vm("vm1", VMState.LOST, entered_status=NOW - 9000), absent={"vm1": NOW - 3601}) == [(False,)]

    unclaimed = vm("vm1", VMState.JOINED, joined_at=NOW - 601)
    newcomer = Newcomer("Q", unclaimed.shape, NOW - 601)
    assert counted(unclaimed, fit=FitMemory(newcomers={"vm1": newcomer})) == [(False,)]
    over = FitMemory(newcomers={"vm1": replace(newcomer, wanted=False)})
    assert counted(unclaimed, fit=over) == [(True,)], "no job waited"


def test_removes_an_unwatched_vm_only_after_losttimeout() -> None:
    """Rule 1: a factory that has just started knows less, and does less."""
    assert planned(booting(90_000)).actions == (), "no poll yet"
    assert planned(booting(90_000), absent={"vm1": NOW - 3599}).actions == ()
    (removal,) = planned(booting(90_000), absent={"vm1": NOW - 3601}).actions
    assert "its startd and its master have been missing" in removal.reason
    seen = {"vm1": Seen(NOW - 50_000, gone=NOW - 3000)}
    assert planned(booting(901), absent={"vm1": NOW - 1000}, vms=seen).actions == (), "its startd was there"
    late = {"absent": {"vm1": NOW - 800}, "unseen": {"vm1": NOW - 800}}
    assert planned(booting(901), **late).actions == (), "it ran before the first poll"


def test_removes_a_lost_vm_after_losttimeout() -> None:
    lost = vm("vm1", VMState.LOST, entered_status=NOW - 90_000)
    assert planned(lost, absent={"vm1": NOW - 3599}).actions == ()
    assert planned(lost, absent={"vm1": NOW - 3601}).actions
    assert planned(lost).actions == (), "no poll yet"
    assert planned(lost, alone={"vm1": NOW - 3599}).actions == (), "its master is in the pool"
    (removal,) = planned(lost, alone={"vm1": NOW - 3601}).actions
    assert isinstance(removal, Remove)
    assert removal.absent, "the collector is asked again for its startd"
    assert removal.master


def test_removes_a_vm_in_error_and_counts_it_against_its_shape() -> None:
    failed = vm("vm1", VMState.BOOTING, job_status=1, grid_status="error")
    found = planned(failed)
    (removal,) = found.actions
    assert isinstance(removal, Remove)
    assert 'JobStatus == 1 && EC2InstanceName == "i-vm1"' in removal.still
    assert removal.absent, "the collector is asked again"
    assert found.health is not None
    assert list(found.health.launches.values()) == [(False,)]
    assert planned(vm("vm1", VMState.BUSY, grid_status="error")).actions == (), "it ran, so jobs may run there"


def test_retires_a_vm_that_was_not_claimed_within_jobtimeout() -> None:
    late = vm("vm1", VMState.JOINED, joined_at=NOW - 601)
    (retirement,) = planned(late).actions
    assert isinstance(retirement, Retire)
    assert "never claimed" in retirement.reason
    assert planned(vm("vm1", VMState.JOINED, joined_at=NOW - 599)).actions == ()
    assert planned(vm("vm1", VMState.JOINED, joined_at=NOW - 9999, unretire_time=NOW - 10)).actions == ()
    assert planned(vm("vm1", VMState.IDLE, joined_at=NOW - 9999)).actions == ()
    both = plan(POLICY, Ask(-1), BatchStatus.of_vms([late]), Memory(), NOW)
    assert len(both.actions) == 1, "one command for one VM"


def test_late_vm_without_instance_counts_for_caps_but_not_as_supply() -> None:
    assert TIMES.stuck(vm("vm1", VMState.SUBMITTED, submitted=NOW - 899), NOW) is None
    assert TIMES.stuck(vm("vm1", VMState.SUBMITTED, submitted=NOW - 901), NOW) == "no instance after 901 s"
    batch = BatchStatus.of_vms([vm("vm1", VMState.SUBMITTED, stuck="late"), vm("vm2", VMState.SUBMITTED)])
    assert (batch.pending, batch.stuck) == (2, 1)


def test_absence_starts_at_the_first_poll_that_missed_both_ads() -> None:
    memory = track(Memory(), set(), {"vm1", "vm2"}, NOW)
    memory = track(memory, set(), {"vm1", "vm2"}, NOW + 10, {"vm2"})
    assert memory.absent == {"vm1": NOW}
    memory = track(memory, {"vm1"}, {"vm1", "vm2"}, NOW + 20)
    assert memory.absent == {"vm2": NOW + 20}
    assert memory.unseen == {"vm2": NOW}
    memory = track(memory, set(), {"vm1"}, NOW + 30)
    assert memory.absent == {"vm1": NOW + 30}
    assert memory.unseen == {}, "its startd was seen once"


@given(
    st.sampled_from(list(VMState)),
    st.sampled_from([1, 2, 3, 5]),
    st.none() | st.floats(0, 20_000),
    st.none() | st.floats(0, 20_000),
    st.none() | st.floats(0, 20_000),
    st.floats(0, 20_000),
)
def test_vm_that_may_run_a_job_is_never_overdue(
    state: VMState, status: int, absent: float | None, alone: float | None, unseen: float | None, ran: float
) -> None:
    """Rule 5: a running VM ends if polls never saw its startd from the start, or have missed it for long."""
    each = vm("vm1", state, job_status=status, entered_status=NOW - ran, submitted=NOW - 100)
    traces = Traces(*(None if since is None else NOW - since for since in (absent, alone, unseen)))
    over = TIMES.overdue(each, traces, NOW)
    if over is None:
        return
    assert status in (1, 2)
    never = unseen is not None and unseen >= ran > 900
    gone = alone if absent is None else absent
    assert never or (gone is not None and min(gone, ran) > 3600)
    assert over.master is (absent is None)
