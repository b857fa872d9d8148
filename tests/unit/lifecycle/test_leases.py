"""Extension of leases, and refusals with their reason."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.lifecycle.leases import extend_lease, find_vm_jobs
from factory.model.vm import JobId
from tests.rig.vms import NOW, job


def test_extends_a_lease_by_the_given_time() -> None:
    extension = extend_lease(job(lease_end=NOW + 1000), 600, NOW)
    assert extension.end == NOW + 1600
    assert str(extension) == "VM vm1 (job 1.0 of Q): ends 1970-01-12 14:13:20 UTC instead of 1970-01-12 14:03:20 UTC"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"status": 3}, "VM job is being removed"),
        ({"status": 4}, "instance has ended"),
        ({"lease_moves": False}, "submitted by an older apf, whose leases can't be extended"),
        ({"lease_end": None}, "submitted by an older apf, whose leases can't be extended"),
        ({"lease_end": NOW - 1}, "lease ended at 1970-01-12"),
        (
            {"lease_end": NOW + 5000, "lease_max": NOW + 8599},
            "lease_max is 1970-01-12 16:09:59 UTC; extend by at most 3599s",
        ),
        ({"lease_end": NOW + 5000, "lease_max": NOW + 6800}, "at most 30m"),
        ({"lease_end": NOW + 5000, "lease_max": NOW + 5000}, "lease ends at its lease_max, 1970-01-12 15:10:00 UTC"),
        ({"lease_end": NOW + 5000, "lease_max": None}, "lease ends at its lease_max"),
    ],
)
def test_refusal_to_extend_a_lease_gives_the_reason(fields: dict[str, Any], why: str) -> None:
    extension = extend_lease(job(**fields), 3600, NOW)
    assert extension.end is None
    assert why in extension.why
    assert "NOT extended" in str(extension)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"lease_end": NOW + 60}, "may be too late"),
        ({"retire_time": NOW - 10}, "the VM is retiring"),
        ({"retire_time": NOW - 10, "unretire_time": NOW - 5}, ""),
        ({}, ""),
    ],
)
def test_extension_warns_when_it_may_have_no_effect(fields: dict[str, Any], why: str) -> None:
    extension = extend_lease(job(**fields), 60, NOW)
    assert extension.end is not None
    assert why in extension.why
    assert bool(extension.why) is bool(why)


@given(st.integers(1, 10**6), st.integers(-100, 10**6), st.integers(0, 10**6), st.sampled_from([1, 2, 3, 4, 5]))
def test_extended_lease_ends_later_and_within_lease_max(by_s: int, left: int, more: int, status: int) -> None:
    """Rule 9."""
    row = job(status=status, lease_end=NOW + left, lease_max=NOW + left + more)
    end = extend_lease(row, by_s, NOW).end
    assert end is None or NOW + left < end <= NOW + left + more
    assert (end is None) == (by_s > more or left < 0 or status in {3, 4})


def test_finds_vm_jobs_by_queue_apfvm_or_job_id() -> None:
    a, b = job("a"), job("b", queue="other")
    late = job("c")
    object.__setattr__(late, "job", JobId(0, 3))
    assert find_vm_jobs([a, b, late], "Q") == [late, a]
    assert find_vm_jobs([a, b, late], "b") == [b]
    assert find_vm_jobs([a, b, late], "0.3") == [late]
    assert find_vm_jobs([a, b, late], "nothing") == []
