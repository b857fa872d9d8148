"""The pool of the tests: restart of its daemons."""

from collections.abc import Iterator

import pytest

from tests.rig.pool import Pool
from tests.rig.wait import until


@pytest.fixture
def breakable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    with Pool(tmp_path_factory.mktemp("pool")) as running:
        yield running


def test_killed_and_restarted_daemons_come_back(breakable: Pool) -> None:
    old = breakable.pid_of("schedd")
    breakable.kill_daemon("schedd")
    until(lambda: breakable.run("condor_q", "-totals", check=False), "a schedd answers")
    assert breakable.pid_of("schedd") != old
    breakable.restart_daemon("collector")
    assert breakable.jobs() == []
