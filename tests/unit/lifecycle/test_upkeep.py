"""Upkeep in every round: repeated commands, marks, failed terminations."""

from dataclasses import replace

from factory.model.actions import ClearRetire, Release, Retire
from factory.model.memory import Attempts, Memory
from factory.model.vm import Hold, VMState
from tests.rig.planning import ASKED, BACK, names, planned
from tests.rig.vms import NOW, vm


def test_repeats_a_retire_that_shows_no_effect() -> None:
    """Rule 1: a factory that remembers nothing repeats it too."""
    silent = vm("vm1", VMState.RETIRING, claims=1, **ASKED)
    (again,) = planned(0, silent).actions
    assert isinstance(again, Retire)
    assert (again.repeat, again.method) == (True, "drain")
    assert planned(0, silent, memory=Memory(sent={"vm1": NOW - 59})).actions == ()
    assert planned(0, replace(silent, retire_seen=True)).actions == ()
    assert planned(0, vm("vm1", VMState.RETIRING, **BACK)).actions == ()
    assert planned(0, vm("vm1", VMState.RETIRING, startd=None, **ASKED)).actions == (), "it has not joined yet"


def test_clears_the_retirement_mark_once_the_vm_takes_jobs_again() -> None:
    for state in VMState:
        cleared = names(planned(0, vm("vm1", state, **BACK)), ClearRetire)
        assert bool(cleared) is (state in {VMState.BUSY, VMState.IDLE, VMState.JOINED}), state
    assert not names(planned(0, vm("vm1", VMState.BUSY, **ASKED)), ClearRetire)


def test_retries_a_failed_termination() -> None:
    failed = vm("vm1", VMState.HELD, hold=Hold(26, 0, "no answer", status_on_release=3))
    assert names(planned(0, failed), Release) == ["vm1"]
    assert not planned(0, failed, memory=Memory(sent={"vm1": NOW - 1})).actions
    assert not planned(0, vm("vm1", VMState.HELD, hold=Hold(1, 0, "by hand"))).actions


def test_notes_vms_that_ignore_three_commands_to_retire() -> None:
    silent = vm("vm1", VMState.RETIRING, claims=1, **ASKED)
    sent = ((Attempts("retire", 2), False), (Attempts("retire", 3), True), (Attempts("release", 9), False))
    for last, noted in sent:
        notes = planned(0, silent, memory=Memory(sent={"vm1": NOW}, attempts={"vm1": last})).notes
        assert any("1 VM ignores" in note and f"{last.times} times" in note for note in notes) is noted
    often = Memory(attempts={"vm1": Attempts("retire", 5)})
    for other in (replace(silent, retire_seen=True), replace(silent, state=VMState.BUSY, retire_time=None)):
        assert planned(0, other, memory=often).notes == ()
