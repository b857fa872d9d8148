"""What a startd makes of a request."""

import pytest

from factory.condor.groups import rounded
from factory.fit.model import Room


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
    assert rounded(ask) == takes
