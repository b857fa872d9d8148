"""What a startd makes of a request, and which jobs are told of though no startd may take them."""

import pytest

from factory.condor.schedd.job_groups import group_jobs, rounded_request
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
def test_requests_are_rounded_up_to_whole_cores_128_mib_and_a_mib_of_disk(ask: Room, takes: Room) -> None:
    assert rounded_request(ask) == takes


def test_jobs_for_other_places_are_not_told_of_vm_jobs_among_them() -> None:
    rows = [{"JobUniverse": universe, "JobStatus": 1, "JobCount": n} for universe, n in ((9, 4), (7, 2), (12, 1))]
    assert group_jobs("schedd", {}, rows, [], 0).excluded == {"in a universe other than vanilla, java and vm": 3}
