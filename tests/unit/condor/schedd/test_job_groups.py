"""Rounding of requests, and the idle jobs that job groups leave out."""

import pytest

from factory.condor.classad.requests import rounded_request
from factory.condor.schedd.job_groups import group_jobs
from factory.model.demand import Room


@pytest.mark.parametrize(
    ("ask", "takes"),
    [
        (Room(1, 128, 1024), Room(1, 128, 1024)),
        (Room(1, 0, 0), Room(1, 128, 1024)),
        (Room(1.5, 129, 1025, 2), Room(2, 256, 2048, 2)),
        (Room(8, 2000, 10_000), Room(8, 2048, 10_240)),
    ],
)
def test_requests_are_rounded_up_as_startds_do_by_default(ask: Room, takes: Room) -> None:
    assert rounded_request(ask) == takes


def test_excluded_jobs_do_not_include_grid_jobs() -> None:
    rows = [{"JobUniverse": universe, "JobStatus": 1, "JobCount": n} for universe, n in ((9, 4), (7, 2), (12, 1))]
    assert group_jobs("schedd", {}, rows, [], 0).excluded == {"in a universe other than vanilla, java and vm": 3}
