"""Fit on real daemons: the machines that the waiting jobs can use, and no others."""

from collections import Counter

from tests.pool.conftest import MakeFactory
from tests.rig.factory import Factory
from tests.rig.wait import until
from tests.rig.work import Work

FIT = {
    "schedplugin": "Fit, MaxToRun",
    "sched__fit__after": 4,
    "batchsubmit__condorec2__instance_type": "m5.large, m5.xlarge",
}


def bought(factory: Factory, queue: str = "CLOUD") -> Counter[str]:
    """VM jobs that there ever were, by instance type."""
    mine = f'APFFactory == "{factory.id}" && APF_QUEUE == "{queue}"'
    ads = factory.pool.jobs(mine) + factory.pool.history(mine)
    return Counter(str(ad["APFShape"]).split("/")[1] for ad in ads)


def said(factory: Factory, queue: str = "CLOUD") -> str:
    """The reason of the last round's Fit."""
    return "; ".join(str(step["reason"]) for step in factory.queue(queue).get("steps", ()))


def test_jobs_of_all_sizes_get_the_machines_that_serve_them_and_impossible_ones_get_none(
    make_factory: MakeFactory,
) -> None:
    factory = make_factory(**FIT)
    work = Work(factory)
    never = work.submit(3, request_cpus=1, request_memory=999_000)
    big = work.submit(1, request_cpus=4, request_memory=12_000)
    with factory:
        big.wait_running()
        assert bought(factory) == {"m5.xlarge": 1}
        small = [work.submit(1, request_memory=500), work.submit(2, request_cpus=2, request_memory=1000)]
        for batch in small:
            batch.wait_running()
        factory.rounds(3)
        assert bought(factory) in ({"m5.large": 3, "m5.xlarge": 1}, {"m5.large": 1, "m5.xlarge": 2})
        assert "3 jobs ask for 975.6 GB, largest shape has 16 GB" in said(factory)
        assert {ad["JobStatus"] for ad in never.ads()} == {1}
        for batch in (big, *small):
            batch.open()
            batch.wait_done()
        until(lambda: not factory.vm_jobs(), "the machines go, though three jobs wait for ever", 60, 0.5)


def test_jobs_that_free_cores_cannot_hold_for_lack_of_memory_get_machines(make_factory: MakeFactory) -> None:
    factory = make_factory(**(FIT | {"batchsubmit__condorec2__instance_type": "m5.large"}))
    work = Work(factory)
    fat = work.submit(1, request_memory=7_000)
    with factory:
        fat.wait_running()
        more = work.submit(1, request_memory=2_000)
        more.wait_running()
        assert bought(factory) == {"m5.large": 2}
        assert len({str(ad["RemoteHost"]).split("@")[-1] for ad in fat.ads() + more.ads()}) == 2
