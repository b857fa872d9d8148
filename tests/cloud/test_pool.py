"""The pool of the tests: its daemons come back."""

from collections.abc import Iterator

import pytest

from tests.rig.pool import Pool
from tests.rig.wait import until


@pytest.fixture
def breakable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    with Pool(tmp_path_factory.mktemp("pool")) as running:
        yield running


def test_daemons_that_are_killed_or_restarted_come_back(breakable: Pool) -> None:
    old = breakable.pid_of("schedd")
    breakable.kill_daemon("schedd")
    until(lambda: breakable.run("condor_q", "-totals", check=False), "a schedd answers")
    assert breakable.pid_of("schedd") != old
    breakable.restart_daemon("collector")
    assert breakable.jobs() == []
