"""JobStatus and the sets of VM states."""

from __future__ import annotations

from factory.model.job_status import FINISHED, ON_MACHINE, JobStatus
from factory.model.vm import CAPACITY, PENDING, RETIREMENT, RUNNING, VMState


def test_a_job_status_is_found_by_the_number_of_an_ad() -> None:
    assert [number for number in range(10) if number in ON_MACHINE] == [2, 6, 7]
    assert [number for number in range(10) if number in FINISHED] == [3, 4]


def test_a_job_status_formats_as_a_number_in_an_expression() -> None:
    assert f"JobStatus == {JobStatus.HELD}" == "JobStatus == 5"


def test_every_vm_state_is_capacity_or_in_one_other_set() -> None:
    others = {VMState.HELD, VMState.LOST, VMState.DONE}
    assert sorted(state.value for state in [*PENDING, *RUNNING, *RETIREMENT, *others]) == sorted(
        state.value for state in VMState
    )
    assert CAPACITY == PENDING | RUNNING
