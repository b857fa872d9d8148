"""Jobs that wait for a limit of the pool and for no machine, on real daemons."""

from collections.abc import Iterator

import pytest

from localcloud.process import CloudProcess
from tests.pool.test_fit import FIT, bought, explained, said
from tests.rig.factory import QUEUE, Factory, ec2_queue
from tests.rig.pool import Pool
from tests.rig.wait import until
from tests.rig.work import Work

CONFIG = """
LICENCE_LIMIT = {limit}
GROUP_NAMES = small
GROUP_QUOTA_small = {quota}
"""


@pytest.fixture
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A pool whose limits, quotas and ceilings are zero."""
    directory = tmp_path_factory.mktemp("limited")
    with Pool(directory, f"include ifexist : {directory}/limits\n", name="limited@pool") as pool:
        configure(pool, limit=0, quota=0)
        pool.run("condor_userprio", "-setceil", "bob@pool.test", "0")
        yield pool


def configure(pool: Pool, *, limit: int, quota: int) -> None:
    (pool.directory / "limits").write_text(CONFIG.format(limit=limit, quota=quota))
    pool.run("condor_reconfig", "-daemon", "negotiator")
    until(
        lambda: pool.run("condor_config_val", "-negotiator", "LICENCE_LIMIT").strip() == str(limit),
        "the negotiator has the limits",
    )


def rounds_until_bought(factory: Factory, count: int) -> int:
    """Rounds that ended after now, until so many machines are bought."""
    first = len(factory.journal())
    until(lambda: sum(bought(factory).values()) == count, f"{count} machines are bought")
    entries = factory.journal()[first:]
    return 1 + max(i for i, entry in enumerate(entries) if entry["outcome"] == "submit")


def test_nothing_is_bought_beyond_a_limit_a_quota_or_a_ceiling_until_it_is_raised(
    limited: Pool, cloud: CloudProcess, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pool = limited
    queue = ec2_queue(cloud, "limited", **(FIT | {"batchsubmit__condorec2__instance_type": "m5.large"}))
    factory = Factory(tmp_path_factory.mktemp("factory"), pool, "limited", {QUEUE: queue})
    work = Work(factory)
    licence = work.submit(3, request_cpus=2, concurrency_limits="licence")
    group = work.submit(2, request_cpus=2, accounting_group="small", accounting_group_user="eve")
    work.submit(1, request_cpus=2, accounting_group_user="bob")
    with factory:
        factory.rounds(2)
        assert not bought(factory)
        assert "0 jobs wait" in said(factory)
        assert "3 jobs are beyond the concurrency limit licence, 0 of 0 in use" in said(factory)
        assert "2 jobs are beyond the quota of small, 0 of 0 cores in use" in said(factory)
        assert "1 job is beyond the ceiling of bob, 0 of 0 cores in use" in said(factory)
        text = explained(factory, "job", f"{licence.cluster}.0")
        assert "3 of them would not start whatever room there is: beyond the concurrency limit licence" in text
        configure(pool, limit=1, quota=2)
        assert rounds_until_bought(factory, 2) <= 2  # one may be under way
        for batch in (licence, group):
            batch.wait_running(1)
        factory.rounds(2)
        assert bought(factory) == {"m5.large": 2}
        assert "2 jobs are beyond the concurrency limit licence, 1 of 1 in use" in said(factory)
        assert "1 job is beyond the quota of small, 2 of 2 cores in use" in said(factory)
        assert "1 job is beyond the ceiling of bob, 0 of 0 cores in use" in said(factory)
