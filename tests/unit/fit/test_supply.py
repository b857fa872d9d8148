"""Supply: machines count as room unless they are gone, retiring or about to end."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from factory.fit.share import FitSettings, plan_purchase
from factory.fit.supply import Supply
from factory.model.demand import JobGroup, Machine, Room, VMLease
from factory.model.status import WmsStatus
from factory.model.vm import VM, VMState
from tests.rig.fit import NOW, demand, group, machine, offer, share, vm
from tests.rig.sharing import PLACE, SHAPES, Factory

SHAPE = offer()
MINLIFE_S = 600


def counts(
    one: Machine, vms: tuple[VM, ...] = (), leases: Mapping[str, VMLease] | None = None, update_s: float = 300
) -> bool:
    """Return True if a machine counts as room."""
    seen = replace(demand([], [one], [SHAPE]), leases=leases, update_s=update_s)
    supply = Supply(seen, tuple((0, each) for each in vms), {str(SHAPE.shape): SHAPE}, NOW)
    return one.name in {each.name for each in supply.machines(MINLIFE_S)}


def ours(silent_s: float = 0, ends_at: float | None = None) -> Machine:
    return machine("m", 8, 32_000, vm="vm00001", ours=True, silent_s=silent_s, ends_at=ends_at)


IDLE = vm(1, VMState.IDLE, SHAPE)


def test_ignores_a_machine_that_hibernates() -> None:
    assert counts(machine("m", 8, 32_000))
    assert not counts(machine("m", 8, 32_000, offline=True))


@pytest.mark.parametrize(
    ("one", "vms", "leases", "usable"),
    [
        ("its VM job is in the queue", (), {"vm00001": VMLease()}, True),
        ("its VM job belongs to another queue, and VM jobs are unknown", (), None, True),
        ("its VM job has left the queue", (), {"vm00002": VMLease()}, False),
        ("its VM job was submitted after the VM jobs were read", (IDLE,), {}, True),
    ],
)
def test_ignores_own_machine_without_a_vm_job(
    one: str, vms: tuple[VM, ...], leases: Mapping[str, VMLease] | None, usable: bool
) -> None:
    assert counts(ours(), vms, leases) is usable
    assert counts(machine("m", 8, 32_000, vm="vm00001"), vms, leases), "a machine of another factory counts"


@pytest.mark.parametrize(
    ("silent_s", "leases", "usable"),
    [
        (119, {"vm00001": VMLease()}, True),
        (121, {"vm00001": VMLease()}, False),
        (121, None, False),
        (121, {"vm00001": VMLease(update_s=300)}, True),
        (601, {"vm00001": VMLease(update_s=300)}, False),
        (119, {"vm00001": VMLease(update_s=20)}, True),
    ],
)
def test_ignores_machines_silent_for_two_update_intervals(
    silent_s: float, leases: Mapping[str, VMLease] | None, usable: bool
) -> None:
    assert counts(ours(silent_s=silent_s), (), leases, update_s=60) is usable
    known = vm(1, VMState.IDLE, SHAPE, update_s=300)
    assert counts(ours(silent_s=silent_s), (known,), None, update_s=60) is (silent_s <= 600)


def test_foreign_machine_counts_for_half_an_hour_of_silence() -> None:
    assert counts(machine("m", 8, 32_000, silent_s=1700), (), {})
    assert not counts(machine("m", 8, 32_000, silent_s=1900), (), {})


def test_lease_comes_from_the_vm_job_of_any_queue() -> None:
    assert not counts(ours(), (), {"vm00001": VMLease(ends=NOW + 500)})
    assert counts(ours(), (), {"vm00001": VMLease(ends=NOW + 700)})
    assert not counts(ours(ends_at=NOW + 500), (), {"vm00001": VMLease(ends=NOW + 700)})
    assert counts(ours(), (replace(IDLE, lease_end=NOW + 700),))
    assert not counts(ours(), (replace(IDLE, lease_end=NOW + 500),))


def test_ignores_retiring_vms_of_other_queues() -> None:
    assert not counts(ours(), (), {"vm00001": VMLease(retiring=True)})


def test_buys_although_the_ad_of_a_dead_machine_remains(tmp_path: Path) -> None:
    """After a spot kill of a half-free machine, its VM job disappears at once and its ad 15 minutes later."""
    factory = Factory(tmp_path, machines=[machine("slot1@vm00001", 4, 16_000, vm="vm00001", ours=True)])
    factory.vms["cheap"] = [vm(1, VMState.BUSY, str(SHAPES["cheap"]), "cheap", claims=4)]
    factory.round()
    factory.vms["cheap"] = []
    seen = demand([group("g", 1, 1000, 4)], factory.machines, [replace(PLACE, shape=s) for s in SHAPES.values()])
    factory.wms = WmsStatus(ready=4, demand=replace(seen, leases={}))
    assert factory.bought() == {"cheap": 1, "dear": 0}


def taking(memory_mb: float, takes_mb: float, count: int, cpus: float = 1, takes_cpus: float = 1) -> JobGroup:
    """Return jobs that take more than they request."""
    return replace(group("g", cpus, memory_mb, count), takes=Room(takes_cpus, takes_mb, 1024))


@pytest.mark.parametrize(
    ("jobs", "free_mb", "placed"),
    [
        (taking(2000, 2048, 4), 8_000, 3),
        (taking(2000, 2048, 4), 8_144, 4),  # the last job takes its request from the room left
        (taking(2000, 2048, 4), 8_143, 3),
        (taking(7_990, 8_064, 2), 8_000, 1),
        (taking(1000, 1024, 9, 1.5, 2), 30_000, 4),
        (taking(1000, 1024, 9), 30_000, 8),
    ],
)
def test_places_as_many_jobs_as_a_startd_gives_room(jobs: JobGroup, free_mb: float, placed: int) -> None:
    seen = share(demand([jobs], [machine("m", 8, free_mb)], [SHAPE]), [SHAPE])
    assert plan_purchase(seen, FitSettings()).left.get("g", 0) == jobs.count - placed


def test_static_slot_takes_a_job_that_requests_all_of_it() -> None:
    slot = machine("m", 1, 2000, total=1, static=True)
    assert plan_purchase(share(demand([taking(2000, 2048, 2)], [slot], [SHAPE]), [SHAPE]), FitSettings()).left == {
        "g": 1
    }


@pytest.mark.parametrize(
    ("jobs", "machines"),
    [(taking(15_990, 16_000, 4), 2), (taking(31_990, 32_128, 3), 3), (taking(32_001, 32_128, 1), 0)],
)
def test_buys_for_rounded_requests_and_for_a_job_that_just_fits(jobs: JobGroup, machines: int) -> None:
    verdict = plan_purchase(share(demand([jobs], [], [SHAPE]), [SHAPE]), FitSettings())
    assert len(verdict.purchase.order) == machines
    assert verdict.purchase.unserved == ({} if machines else {"g": 1})
