"""How a lease is extended, and when it is not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.lifecycle.leases import extend_lease, find_vm_jobs
from factory.model.vm import JobId
from tests.rig.vms import NOW, job


def test_a_lease_is_extended_by_what_was_asked_for() -> None:
    found = extend_lease(job(lease_end=NOW + 1000), 600, NOW)
    assert found.end == NOW + 1600
    assert str(found) == "VM vm1 (job 1.0 of Q): ends 1970-01-12 14:13:20 UTC instead of 1970-01-12 14:03:20 UTC"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"status": 3}, "it is being removed"),
        ({"status": 4}, "its instance has ended"),
        ({"lease_moves": False}, "submitted by an apf whose leases can't be extended"),
        ({"lease_end": None}, "submitted by an apf whose leases can't be extended"),
        ({"lease_end": NOW - 1}, "its lease is over since 1970-01-12"),
        ({"lease_end": NOW + 5000, "lease_max": NOW + 8599}, "lease_max, 1970-01-12 16:09:59 UTC: at most 3599s more"),
        ({"lease_end": NOW + 5000, "lease_max": NOW + 6800}, "at most 30m more"),
        ({"lease_end": NOW + 5000, "lease_max": NOW + 5000}, "lease_max, 1970-01-12 15:10:00 UTC: so does its lease"),
        ({"lease_end": NOW + 5000, "lease_max": None}, "so does its lease"),
    ],
)
def test_a_lease_that_is_not_extended_says_why(fields: dict[str, Any], why: str) -> None:
    found = extend_lease(job(**fields), 3600, NOW)
    assert found.end is None
    assert why in found.why
    assert "NOT extended" in str(found)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"lease_end": NOW + 60}, "may come too late"),
        ({"retire_time": NOW - 10}, "retires already"),
        ({"retire_time": NOW - 10, "unretire_time": NOW - 5}, ""),
        ({}, ""),
    ],
)
def test_what_an_extension_may_not_reach_is_said(fields: dict[str, Any], why: str) -> None:
    found = extend_lease(job(**fields), 60, NOW)
    assert found.end is not None
    assert why in found.why
    assert bool(found.why) is bool(why)


@given(st.integers(1, 10**6), st.integers(-100, 10**6), st.integers(0, 10**6), st.sampled_from([1, 2, 3, 4, 5]))
def test_no_extension_goes_beyond_lease_max_and_none_shortens(by_s: int, left: int, more: int, status: int) -> None:
    """Rule 9."""
    row = job(status=status, lease_end=NOW + left, lease_max=NOW + left + more)
    end = extend_lease(row, by_s, NOW).end
    assert end is None or NOW + left < end <= NOW + left + more
    assert (end is None) == (by_s > more or left < 0 or status in {3, 4})


def test_a_target_is_a_queue_or_a_vm() -> None:
    a, b = job("a"), job("b", queue="other")
    late = job("c")
    object.__setattr__(late, "job", JobId(0, 3))
    assert find_vm_jobs([a, b, late], "Q") == [late, a]
    assert find_vm_jobs([a, b, late], "b") == [b]
    assert find_vm_jobs([a, b, late], "0.3") == [late]
    assert find_vm_jobs([a, b, late], "nothing") == []
