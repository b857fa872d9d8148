"""Machines that hibernate: the collector keeps their ads, and no job starts on them before they are woken up."""

from collections.abc import Iterator

import pytest

from factory.condor.job_demand import DemandQuery, JobDemandSource
from factory.model.address import PoolAddress
from factory.model.demand import Demand
from tests.rig.pool import Pool
from tests.rig.slots import advertise, partitionable
from tests.rig.wait import until
from tests.rig.workers import asking

RULES = """
ALLOW_ADVERTISE_STARTD = *
COLLECTOR_PERSISTENT_AD_LOG = $(SPOOL)/offline.log
"""


@pytest.fixture
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    with Pool(tmp_path_factory.mktemp("offline"), RULES) as running:
        yield running


def test_offline_ads_are_marked(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    pool.submit({"executable": "/bin/true", "request_memory": 100, "request_disk": 1000})
    advertise(pool, [partitionable("asleep", 8, 16_000, Offline="true"), partitionable("up", 8, 16_000)])
    until(lambda: len(pool.slots()) == 2, "both ads are in the collector", 30)
    source = JobDemandSource(pool=PoolAddress(), queries=frozenset({DemandQuery(None, ())}), factory_id="f")
    with asking(pool, monkeypatch) as workers:
        demand = workers.call("all", 30, source.fetch).demand(None)
    assert isinstance(demand, Demand), demand
    assert {machine.name: machine.offline for machine in demand.machines} == {"slot1@asleep": True, "slot1@up": False}
