"""Placement counts as many jobs as a startd runs, which rounds requests up."""

import time
from collections.abc import Iterator

import pytest

from factory.condor.job_demand import JobDemandSource
from factory.fit.supply import Supply
from factory.model.address import PoolAddress
from factory.model.demand import Demand
from factory.model.status import Unknown
from factory.process.workers import Workers
from tests.rig.pool import Pool
from tests.rig.wait import until
from tests.rig.workers import asking

ONE_STARTD = """
DAEMON_LIST = $(DAEMON_LIST), STARTD
NUM_CPUS = 8
MEMORY = 8000
NUM_SLOTS_TYPE_1 = 1
SLOT_TYPE_1 = 100%
SLOT_TYPE_1_PARTITIONABLE = True
START = True
UPDATE_INTERVAL = 2
SHUTDOWN_FAST_TIMEOUT = 2
"""


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    with Pool(tmp_path_factory.mktemp("one"), ONE_STARTD) as pool:
        until(lambda: [slot["Memory"] for slot in pool.slots()] == [8000], "the slot is there")
        yield pool


@pytest.fixture
def workers(one: Pool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    with asking(one, monkeypatch) as running:
        yield running


def placed(demand: Demand | Unknown) -> int:
    """Return the number of jobs placed on the machines."""
    assert isinstance(demand, Demand)
    supply = Supply(demand, now=time.time())
    return sum(sum(n.values()) for n in supply.place(supply.demand.groups, supply.machines(0)).placed.values())


@pytest.mark.parametrize(
    ("asks", "count", "run"),
    [
        ({"request_memory": 2000}, 5, 3),
        ({"request_memory": 7950}, 2, 1),
        ({"request_memory": 0, "request_cpus": 2}, 5, 4),
        ({"request_memory": 2600, "request_cpus": 2}, 4, 3),
    ],
    ids=str,
)
def test_places_as_many_jobs_as_the_startd_runs(
    one: Pool, workers: Workers, asks: dict[str, object], count: int, run: int
) -> None:
    one.run("condor_off", "-daemon", "negotiator")
    until(lambda: not one.run("condor_status", "-negotiator", "-af", "Name"), "the negotiator is off")
    sleep = {"executable": "/bin/sleep", "arguments": "1000", "transfer_executable": "false", "request_disk": 1000}
    cluster = one.submit({**sleep, **asks}, count)
    try:
        demand = workers.call("all", 30, JobDemandSource(pool=PoolAddress()).fetch).demand(None)
        assert placed(demand) == run
        one.run("condor_on", "-daemon", "negotiator")
        until(lambda: len(one.jobs(f"ClusterId == {cluster} && JobStatus == 2")) == run, f"{run} jobs run", 60)
        began = int(time.time())
        rejected = f"ClusterId == {cluster} && JobStatus == 1 && LastRejMatchTime > {began}"
        until(lambda: one.jobs(rejected), "the others have been turned away since", 60)
        assert len(one.jobs(f"ClusterId == {cluster} && JobStatus == 2")) == run
        demand = workers.call("all", 30, JobDemandSource(pool=PoolAddress()).fetch).demand(None)
        assert placed(demand) == 0
    finally:
        one.run("condor_on", "-daemon", "negotiator")
        one.run("condor_rm", str(cluster))
        until(lambda: not one.jobs(), "they are gone", 30)
        until(lambda: [slot["Memory"] for slot in one.slots()] == [8000], "the slot is whole", 30)
