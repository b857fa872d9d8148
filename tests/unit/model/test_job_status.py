"""JobStatus and the sets of VM states."""

from __future__ import annotations

from factory.model.job_status import FINISHED, ON_MACHINE, JobStatus
from factory.model.vm import CAPACITY, PENDING, RETIREMENT, RUNNING, VMState


def test_status_sets_contain_plain_numbers() -> None:
    assert [number for number in range(10) if number in ON_MACHINE] == [2, 6, 7]
    assert [number for number in range(10) if number in FINISHED] == [3, 4]


def test_job_status_formats_as_a_number() -> None:
    assert f"JobStatus == {JobStatus.HELD}" == "JobStatus == 5"


def test_state_sets_cover_every_vm_state_once() -> None:
    others = {VMState.HELD, VMState.LOST, VMState.DONE}
    assert sorted(state.value for state in [*PENDING, *RUNNING, *RETIREMENT, *others]) == sorted(
        state.value for state in VMState
    )
    assert CAPACITY == PENDING | RUNNING
