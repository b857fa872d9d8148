"""From readings to the World: what is remembered, and who else is at work."""

from dataclasses import replace

from factory.lifecycle.unresponsive import patience_s
from factory.model.memory import Attempts, Memory, Seen
from factory.model.pool import PoolRows
from factory.model.source import Reading
from factory.model.vm_job import VMJobRows
from factory.world.build import WorldInputs, make_world
from factory.world.tracking import remember_refused, remember_sent, track
from factory.world.world import World
from tests.rig.vms import NOW, job, machine

OURS = f"{NOW - 1000:.3f} host 1"


def world(memory: Memory, *rows: object, error: str | None = None) -> World:
    readings = {str(i): Reading(str(i), NOW - 1, NOW, row, None) for i, row in enumerate(rows)}
    if error is not None:
        readings["error"] = Reading("error", NOW - 1, NOW, None, error)
    return make_world(NOW, WorldInputs(readings, memory, {}, OURS, believed_after_s=600))


def pool(*uuids: str, up_s: float = 10_000, heard: float = NOW - 1) -> PoolRows:
    return PoolRows(up_s, {uuid: machine(uuid, heard=heard) for uuid in uuids})


def machines_of(memory: Memory) -> Memory:
    """Without what is remembered of VM jobs alone."""
    return replace(memory, staying={}, missing={})


JOBS = VMJobRows((job("vm1"), job("vm2")))
SEEN = Memory({"vm1": Seen(NOW - 500)}, {"vm1": NOW - 100})


def test_a_startd_is_remembered_from_when_it_was_first_seen_until_its_vm_job_has_gone() -> None:
    memory = track(Memory(), {"vm1"}, {"vm1", "vm2"}, NOW)
    assert memory.vms == {"vm1": Seen(NOW)}
    memory = track(memory, {"vm1", "vm2"}, {"vm1", "vm2"}, NOW + 10)
    assert memory.vms == {"vm1": Seen(NOW), "vm2": Seen(NOW + 10)}
    memory = track(memory, {"vm2"}, {"vm1", "vm2"}, NOW + 20)
    memory = track(memory, {"vm2"}, {"vm1", "vm2"}, NOW + 30)
    assert memory.vms["vm1"] == Seen(NOW, gone=NOW + 20)
    assert track(memory, {"vm1", "vm2"}, {"vm1"}, NOW + 40).vms == {"vm1": Seen(NOW)}


def test_commands_are_remembered_while_their_vm_job_exists() -> None:
    memory = remember_sent(Memory(), {"vm1": "retire", "vm2": "retire"}, NOW)
    memory = track(memory, set(), {"vm2"}, NOW + 1)
    assert memory.sent == {"vm2": NOW}
    assert memory.attempts == {"vm2": Attempts("retire", 1)}


def test_a_machine_that_does_not_obey_is_told_ever_more_rarely_until_it_is_told_something_else() -> None:
    memory, waits = Memory(), []
    for what in (*["retire"] * 9, "unretire", "retire"):
        memory = remember_sent(memory, {"vm1": what}, NOW)
        waits.append(patience_s(memory, "vm1", 60))
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 60, 60]
    assert patience_s(Memory(), "vm1", 60) == 60
    assert patience_s(memory, "vm1", 7200) == 7200, "never sooner than the first time"


def test_a_poll_of_both_moves_the_memory_on() -> None:
    assert world(SEEN, pool("vm1", "vm2"), JOBS).memory.vms == {"vm1": Seen(NOW - 500), "vm2": Seen(NOW)}
    assert world(SEEN, pool("vm2"), JOBS).memory.vms["vm1"].gone == NOW


def test_a_schedd_that_does_not_answer_makes_nothing_forgotten() -> None:
    """Rule 2: no VM jobs and unknown VM jobs are not the same."""
    assert world(SEEN, pool("vm1"), error="timed out").memory is SEEN
    assert machines_of(world(SEEN, JOBS, error="refused").memory) == SEEN
    assert world(SEEN, pool(), VMJobRows()).memory == Memory()


def test_a_collector_that_restarted_makes_no_machine_gone() -> None:
    """Rule 2."""
    assert machines_of(world(SEEN, pool(up_s=599), JOBS).memory) == SEEN


def test_a_machine_that_was_not_heard_of_for_long_is_gone() -> None:
    assert world(SEEN, pool("vm1", heard=NOW - 602), JOBS).memory.vms["vm1"].gone == NOW
    assert world(SEEN, pool("vm1", heard=NOW - 600.5), JOBS).memory.vms["vm1"].gone is None, "when it was asked"


def test_a_newer_factory_with_our_id_is_seen_by_its_vm_jobs() -> None:
    """Rule 10: a predecessor, also on another host, is none."""

    def usurper(*incarnations: str) -> str | None:
        return world(Memory(), VMJobRows(tuple(job(incarnation=text) for text in incarnations))).usurper

    newer = f"{NOW - 999:.3f} elsewhere 1"
    assert usurper(OURS, newer) == newer
    assert usurper(OURS, f"{NOW - 1001:.3f} elsewhere 1", "", "nonsense") is None
    assert usurper() is None


def test_a_machine_is_there_as_long_as_it_was_made_to_be_silent() -> None:
    jobs = VMJobRows((job("vm1", update_s=400), job("vm2")))
    rows = pool("vm1", "vm2", heard=NOW - 700)
    assert world(Memory(), rows, jobs).memory.vms.keys() == {"vm1"}
    assert world(Memory(), pool("vm1", up_s=799), jobs).memory.vms == {}, "not every machine has reported yet"


def test_a_startd_that_was_never_there_is_looked_for_since_its_vm_job_came() -> None:
    memory = world(Memory(), pool("vm2"), JOBS).memory
    assert memory.unseen == {"vm1": NOW}
    assert track(memory, {"vm1"}, {"vm1", "vm2"}, NOW + 9).unseen == {}


def test_removals_that_came_to_nothing_are_counted_until_one_is_done() -> None:
    memory = remember_refused(remember_refused(Memory(), {"vm1": False, "vm2": False}), {"vm1": False})
    assert memory.refused == {"vm1": 2, "vm2": 1}
    assert remember_refused(memory, {"vm1": True}).refused == {"vm2": 1}
    assert track(memory, set(), {"vm1"}, NOW).refused == {"vm1": 2}, "the other has gone"
