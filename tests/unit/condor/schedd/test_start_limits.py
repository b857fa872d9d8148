"""Limits in a schedd's own ad on the jobs that it can start."""

from dataclasses import replace
from typing import Any

import pytest

from factory.condor.schedd.start_limits import schedd_limit
from tests.rig.fit import group

WAITING = [group("a", 1, 1000, 30), group("b", 1, 1000, 30), replace(group("c", 1, 1000, 9), problem="no number")]


@pytest.mark.parametrize(
    ("ad", "left", "text"),
    [
        ({"ShadowsRunning": 94, "MaxJobsRunning": 100}, 6, "MAX_JOBS_RUNNING of s, 94 of 100 jobs running"),
        ({"ShadowsRunning": 95, "MaxJobsRunning": 100}, 0, "MAX_JOBS_RUNNING of s, 95 of 100 jobs running"),
        ({"ShadowsRunning": 300, "MaxJobsRunning": 100}, 0, "300 of 100 jobs running"),
        ({"TotalRunningJobs": 95, "MaxJobsRunning": 100}, 0, "95 of 100 jobs running"),
        ({"CurbMatchmaking": True}, 0, "CurbMatchmaking"),
        (
            {"TransferQueueNumWaitingToUpload": 11, "TransferQueueMaxUploading": 10},
            0,
            "11 transfers waiting for 10 slots",
        ),
    ],
)
def test_jobs_that_a_schedd_could_not_start_are_beyond_a_limit(ad: dict[str, Any], left: float, text: str) -> None:
    limit = schedd_limit({"Name": "s", **ad}, WAITING)
    assert limit is not None
    assert text in limit.name
    assert (limit.left, set(limit.weights)) == (left, {"a", "b"})


@pytest.mark.parametrize(
    "ad",
    [
        {},
        {"ShadowsRunning": 30, "MaxJobsRunning": 100},
        {"ShadowsRunning": 3000, "MaxJobsRunning": 0},
        {"ShadowsRunning": 0, "TotalRunningJobs": 95, "MaxJobsRunning": 100},
        {"CurbMatchmaking": False, "TransferQueueNumWaitingToUpload": 10, "TransferQueueMaxUploading": 10},
        {"TransferQueueNumWaitingToUpload": 10, "TransferQueueMaxUploading": 0},
    ],
)
def test_schedd_that_can_start_all_jobs_sets_no_limit(ad: dict[str, Any]) -> None:
    assert schedd_limit({"Name": "s", **ad}, WAITING) is None
    assert schedd_limit({"Name": "s", "CurbMatchmaking": True}, []) is None
