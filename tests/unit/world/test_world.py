"""The World from readings: memory, collector restarts, newer factories."""

from dataclasses import replace

from factory.lifecycle.unresponsive import patience_s
from factory.model.memory import Attempts, Memory, Seen
from factory.model.pool import PoolRows
from factory.model.source import Reading
from factory.model.vm_job import VMJobRows
from factory.world.build import WorldInputs, make_world
from factory.world.tracking import remember_removals, remember_sent, track
from factory.world.world import World
from tests.rig.vms import NOW, job, machine, master

OURS = f"{NOW - 1000:.3f} host 1"


def world(memory: Memory, *rows: object, error: str | None = None) -> World:
    readings = {str(i): Reading(str(i), NOW - 1, NOW, row, None) for i, row in enumerate(rows)}
    if error is not None:
        readings["error"] = Reading("error", NOW - 1, NOW, None, error)
    return make_world(NOW, WorldInputs(readings, memory, {}, OURS, believed_after_s=600))


def pool(*uuids: str, up_s: float = 10_000, heard: float = NOW - 1) -> PoolRows:
    return PoolRows(up_s, {uuid: machine(uuid, heard=heard) for uuid in uuids})


def machines_of(memory: Memory) -> Memory:
    """Return the memory without facts about VM jobs alone."""
    return replace(memory, staying={}, missing={})


JOBS = VMJobRows((job("vm1"), job("vm2")))
SEEN = Memory({"vm1": Seen(NOW - 500)}, {"vm1": NOW - 100})


def test_remembers_a_startd_until_its_vm_job_is_gone() -> None:
    memory = track(Memory(), {"vm1"}, {"vm1", "vm2"}, NOW)
    assert memory.vms == {"vm1": Seen(NOW)}
    memory = track(memory, {"vm1", "vm2"}, {"vm1", "vm2"}, NOW + 10)
    assert memory.vms == {"vm1": Seen(NOW), "vm2": Seen(NOW + 10)}
    memory = track(memory, {"vm2"}, {"vm1", "vm2"}, NOW + 20)
    memory = track(memory, {"vm2"}, {"vm1", "vm2"}, NOW + 30)
    assert memory.vms["vm1"] == Seen(NOW, gone=NOW + 20)
    assert track(memory, {"vm1", "vm2"}, {"vm1"}, NOW + 40).vms == {"vm1": Seen(NOW)}


def test_remembers_commands_while_their_vm_job_exists() -> None:
    memory = remember_sent(Memory(), {"vm1": "retire", "vm2": "retire"}, NOW)
    memory = track(memory, set(), {"vm2"}, NOW + 1)
    assert memory.sent == {"vm2": NOW}
    assert memory.attempts == {"vm2": Attempts("retire", 1)}


def test_repeats_a_command_ever_more_rarely_until_another_is_sent() -> None:
    memory, waits = Memory(), []
    for what in (*["retire"] * 9, "unretire", "retire"):
        memory = remember_sent(memory, {"vm1": what}, NOW)
        waits.append(patience_s(memory, "vm1", 60))
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 60, 60]
    assert patience_s(Memory(), "vm1", 60) == 60
    assert patience_s(memory, "vm1", 7200) == 7200, "never sooner than the first repeat"


def test_poll_of_collector_and_schedd_updates_the_memory() -> None:
    assert world(SEEN, pool("vm1", "vm2"), JOBS).memory.vms == {"vm1": Seen(NOW - 500), "vm2": Seen(NOW)}
    assert world(SEEN, pool("vm2"), JOBS).memory.vms["vm1"].gone == NOW


def test_forgets_nothing_when_the_schedd_does_not_answer() -> None:
    """Rule 2: no VM jobs and unknown VM jobs are not the same."""
    assert world(SEEN, pool("vm1"), error="timed out").memory is SEEN
    assert machines_of(world(SEEN, JOBS, error="refused").memory) == SEEN
    assert world(SEEN, pool(), VMJobRows()).memory == Memory()


def test_ignores_a_collector_that_has_just_restarted() -> None:
    """Rule 2."""
    assert machines_of(world(SEEN, pool(up_s=599), JOBS).memory) == SEEN


def test_startd_with_an_old_ad_is_gone() -> None:
    assert world(SEEN, pool("vm1", heard=NOW - 602), JOBS).memory.vms["vm1"].gone == NOW
    assert world(SEEN, pool("vm1", heard=NOW - 600.5), JOBS).memory.vms["vm1"].gone is None, (
        "ages count until the collector was queried"
    )


def test_finds_a_newer_factory_with_our_id_by_its_vm_jobs() -> None:
    """Rule 10: a predecessor does not count, on this host or another."""

    def newer_factory(*incarnations: str) -> str | None:
        return world(Memory(), VMJobRows(tuple(job(incarnation=text) for text in incarnations))).newer_factory

    newer = f"{NOW - 999:.3f} elsewhere 1"
    assert newer_factory(OURS, newer) == newer
    assert newer_factory(OURS, f"{NOW - 1001:.3f} elsewhere 1", "", "nonsense") is None
    assert newer_factory() is None


def test_age_of_ads_is_judged_by_the_update_interval_of_each_vm() -> None:
    jobs = VMJobRows((job("vm1", update_s=400), job("vm2")))
    rows = pool("vm1", "vm2", heard=NOW - 700)
    assert world(Memory(), rows, jobs).memory.vms.keys() == {"vm1"}
    assert world(Memory(), pool("vm1", up_s=799), jobs).memory.vms == {}, "not every startd has reported yet"


def test_remembers_since_when_a_startd_was_never_seen() -> None:
    memory = world(Memory(), pool("vm2"), JOBS).memory
    assert memory.unseen == {"vm1": NOW}
    assert track(memory, {"vm1"}, {"vm1", "vm2"}, NOW + 9).unseen == {}


def test_remembers_since_when_a_vm_is_proven_empty() -> None:
    """Its master reports that no startd runs, or the cloud that the instance has ended."""
    ends = job("vm2", grid_status="Shutting-Down")
    rows, empty = VMJobRows((job("vm1"), ends, job("vm3"))), {"vm1": master("vm1", startd_runs=False)}
    memory = world(Memory(), PoolRows(1000, masters={**empty, "vm3": master("vm3")}), rows).memory
    assert memory.proven == {"vm1": NOW, "vm2": NOW}
    later = replace(memory, proven={"vm1": NOW - 9, "vm2": NOW - 9})
    assert world(later, PoolRows(1000, masters=empty), rows).memory.proven == {"vm1": NOW - 9, "vm2": NOW - 9}
    old = {"vm1": master("vm1", startd_runs=False, heard=NOW - 700)}
    assert world(later, PoolRows(1000, masters=old), rows).memory.proven == {"vm2": NOW - 9}, "its ad is too old"
    joined = PoolRows(1000, {"vm1": machine("vm1")}, empty)
    assert world(later, joined, rows).memory.proven == {"vm2": NOW - 9}, "its startd is back"


def test_counts_failed_removals_until_one_succeeds() -> None:
    memory = remember_removals(remember_removals(Memory(), {"vm1": False, "vm2": False}), {"vm1": False})
    assert memory.refused == {"vm1": 2, "vm2": 1}
    assert remember_removals(memory, {"vm1": True}).refused == {"vm2": 1}
    assert track(memory, set(), {"vm1"}, NOW).refused == {"vm1": 2}, "its VM job has gone"
