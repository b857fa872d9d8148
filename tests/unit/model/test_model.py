"""Asks and batch status follow the laws of the design."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.decide.chain import Blocked, Cause, Chain, StepRecord
from factory.model.ask import Ask
from factory.model.shape import Shape
from factory.model.status import BatchStatus
from factory.model.vm import VM, JobId, VMState

A, B, C = (Shape("ami", kind) for kind in ("small", "large", "huge"))


@pytest.mark.parametrize(
    ("ask", "n", "expected"),
    [
        (Ask(3, (A, B, C)), 3, Ask(3, (A, B, C))),
        (Ask(3, (A, B, C)), 2, Ask(2, (A, B))),
        (Ask(3, (A, B, C)), 5, Ask(5, (A, B, C, A, A))),
        (Ask(3, (A, B, C)), 0, Ask(0)),
        (Ask(3, (A, B, C)), -2, Ask(-2)),
        (Ask(3), 7, Ask(7)),
        (Ask(0), 7, Ask(7)),
        (Ask(0), -7, Ask(-7)),
        (Ask(-3, (), ("a", "b", "c")), -3, Ask(-3, (), ("a", "b", "c"))),
        (Ask(-3, (), ("a", "b", "c")), -2, Ask(-2, (), ("a", "b"))),
        (Ask(-3, (), ("a", "b", "c")), -5, Ask(-5, (), ("a", "b", "c"))),
        (Ask(-3, (), ("a", "b", "c")), 0, Ask(0)),
        (Ask(-3, (), ("a", "b", "c")), 2, Ask(2)),
        (Ask(-5, (), ("a", "b")), -3, Ask(-3, (), ("a", "b"))),
        (Ask(-5, (), ("a", "b")), -1, Ask(-1, (), ("a",))),
        (Ask(3, (A, B, C), ("a", "b")), 1, Ask(1, (A,), ("a", "b"))),
        (Ask(3, (A, B, C), ("a", "b")), 0, Ask(0, (), ("a", "b"))),
        (Ask(3, (A, B, C), ("a", "b")), -1, Ask(-1, (), ("a",))),
        (Ask(0, (), ("a", "b")), 2, Ask(2, (), ("a", "b"))),
        (Ask(0, (), ("a", "b")), -1, Ask(-1, (), ("a",))),
    ],
)
def test_ask_for_another_n_cuts_repeats_or_drops(ask: Ask, n: int, expected: Ask) -> None:
    assert ask.to(n) == expected


@st.composite
def asks(draw: st.DrawFn) -> Ask:
    n = draw(st.integers(-30, 30))
    shapes = tuple(draw(st.lists(st.sampled_from((A, B, C)), min_size=n, max_size=n))) if n > 0 else ()
    victims = tuple(draw(st.lists(st.uuids().map(str), unique=True, max_size=-n if n < 0 else 5)))
    return Ask(n, draw(st.sampled_from((shapes, ()))), victims)


@given(asks(), st.integers(-40, 40))
def test_ask_for_another_n_stays_valid(ask: Ask, n: int) -> None:
    other = ask.to(n)
    assert other.n == n
    assert len(other.shapes) in (0, max(0, n))
    assert n >= 0 or len(other.victims) <= -n
    assert other.shapes[: len(ask.shapes)] == ask.shapes[: len(other.shapes)]
    assert other.victims == ask.victims[: len(other.victims)]
    if n * ask.n > 0:
        assert bool(other.shapes) == bool(ask.shapes)
        assert len(other.victims) == (min(len(ask.victims), -n) if n < 0 else len(ask.victims))


@given(asks(), st.integers(-40, 40), st.integers(-40, 40))
def test_lowering_in_two_steps_equals_one_step(ask: Ask, first: int, second: int) -> None:
    if ask.n * first > 0 and first * second > 0 and abs(second) <= abs(first) <= abs(ask.n):
        assert ask.to(first).to(second) == ask.to(second)


def vm(uuid: str, state: VMState, job_status: int = 2) -> VM:
    return VM(uuid=uuid, queue="Q", job=JobId(7, 0), state=state, why="", job_status=job_status)


def test_batch_status_counts_each_state_in_its_field() -> None:
    vms = [vm(f"{state.value}{n}", state) for number, state in enumerate(VMState, 1) for n in range(number)]
    number = {state: n for n, state in enumerate(VMState, 1)}
    status = BatchStatus.of_vms(vms)
    assert status.pending == number[VMState.SUBMITTED] + number[VMState.BOOTING] + number[VMState.JOINED]
    assert status.running == number[VMState.BUSY] + number[VMState.IDLE]
    for state in (VMState.RETIRING, VMState.RETIRED, VMState.HELD, VMState.LOST, VMState.DONE):
        assert getattr(status, state.value) == number[state]
    assert status.states == number
    assert status.vms == tuple(vms)


def test_counts_every_vm_once_and_each_may_own_an_instance() -> None:
    vms = [vm(state.value, state) for state in VMState]
    status = BatchStatus.of_vms(iter(vms))
    counts = (status.pending, status.running, status.retiring, status.retired, status.held, status.lost, status.done)
    assert sum(counts) == len(vms) == status.may_own_instance


def test_suspended_vm_job_counts_in_addition_to_its_state() -> None:
    status = BatchStatus.of_vms([vm("a", VMState.BUSY, job_status=7), vm("b", VMState.BUSY)])
    assert (status.running, status.suspended) == (2, 1)


def test_queue_without_vms_counts_nothing() -> None:
    assert BatchStatus.of_vms(()) == BatchStatus()


def test_chain_reason_is_its_block_or_the_last_changing_step() -> None:
    steps = (StepRecord("A", 0, 5, "five"), StepRecord("B", 5, 3, "three"), StepRecord("C", 3, 3, "as it was"))
    assert Chain(steps, Ask(3)).reason == "B: three"
    assert Chain(steps[2:], Ask(3)).reason == "C: as it was"
    assert Chain(steps, blocked=Blocked(Cause.UNKNOWN, "no schedd")).reason == "no schedd"
    assert Chain().reason == "no sched plugin"


def test_unaccounted_counts_lost_held_and_orphaned_machines() -> None:
    held = VM(uuid="h", queue="Q", job=JobId(7, 0), state=VMState.HELD, why="", instance="i-1")
    batch = BatchStatus.of_vms([held, vm("held without an instance", VMState.HELD), vm("l", VMState.LOST)])
    assert replace(batch, orphans=3).unaccounted == 5


def test_vm_missed_by_one_poll_still_counts_as_running() -> None:
    """One poll is no proof (rule 2)."""
    once = replace(vm("once", VMState.LOST), missed_once=True)
    batch = BatchStatus.of_vms([once, vm("twice", VMState.LOST), vm("busy", VMState.BUSY)])
    assert (batch.running, batch.lost, batch.unaccounted) == (2, 1, 1)
