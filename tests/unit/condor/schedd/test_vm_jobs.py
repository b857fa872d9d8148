"""Rows of VM jobs from job ads."""

from enum import IntEnum
from typing import Any

import pytest

from factory.condor.schedd.vm_jobs import job_row, our_vm_jobs
from factory.model.vm import Hold, JobId


class Value(IntEnum):
    """Stand-in for ``classad2.Value``, which the bindings return for undefined."""

    UNDEFINED = 2


AD: dict[str, Any] = {
    "ClusterId": 4, "ProcId": 2, "JobStatus": 2, "APFVM": "uuid", "APF_QUEUE": "Q", "QDate": 1000,
    "EnteredCurrentStatus": 1100, "APFLeaseEnd": 5000, "EC2InstanceName": "i-1", "GridJobStatus": "running",
}  # fmt: skip


def test_row_has_the_values_of_the_ad() -> None:
    row = job_row(AD)
    assert (row.job, row.status, row.uuid, row.queue) == (JobId(4, 2), 2, "uuid", "Q")
    assert (row.submitted, row.entered_status, row.lease_end) == (1000, 1100, 5000)
    assert (row.instance, row.grid_status) == ("i-1", "running")
    assert (row.retire_time, row.unretire_time, row.hold) == (None, None, None)
    assert (row.lease_max, row.lease_moves) == (None, False)
    row = job_row({**AD, "APFLeaseMax": 6000, "TimerRemove": object()})
    assert (row.lease_max, row.lease_moves) == (6000, True)
    assert not job_row({**AD, "TimerRemove": Value.UNDEFINED}).lease_moves


@pytest.mark.parametrize("nothing", [Value.UNDEFINED, None, "", True])
def test_cleared_attribute_counts_as_missing(nothing: object) -> None:
    row = job_row({**AD, "APFRetireTime": nothing, "APFUnretireTime": nothing, "EC2InstanceName": nothing})
    assert (row.retire_time, row.unretire_time, row.instance) == (None, None, None)


def test_hold_reason_counts_only_while_the_job_is_held() -> None:
    why = {"HoldReasonCode": 26, "HoldReasonSubCode": 3, "HoldReason": "no", "JobStatusOnRelease": 3}
    assert job_row({**AD, **why, "JobStatus": 5}).hold == Hold(26, 3, "no", 3)
    assert job_row({**AD, **why}).hold is None


def test_constraint_selects_only_our_vm_jobs_and_quotes_ids() -> None:
    """Rule 10. No id can break out of the constraint."""
    assert our_vm_jobs("apf", "f1") == 'Owner =?= "apf" && APFFactory =?= "f1" && APFVM =!= undefined'
    assert our_vm_jobs('a" || true || "', "f\\").startswith('Owner =?= "a\\" || true || \\"" && APFFactory =?= "f\\\\"')
