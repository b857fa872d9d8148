"""A duplicate instance of a VM job counts against caps and is terminated only if proven empty."""

from typing import Any

from factory.config import load
from localcloud.process import CloudProcess
from plugins.batchsubmit.condorec2 import CondorEC2
from tests.pool.conftest import MakeFactory
from tests.rig.factory import QUEUE, Factory, alive
from tests.rig.orphans import AUDITED, SCHEDD, audit, audits, launched
from tests.rig.pool import Pool
from tests.rig.wait import until
from tests.rig.work import Work


def its_vm(factory: Factory) -> tuple[dict[str, str], str]:
    """Return the tags and the id of the instance of the only VM job."""
    (job,) = factory.vm_jobs("APFVM", "EC2InstanceName")
    tags = {"apf_factory": factory.id, "apf_queue": QUEUE, "apf_vm": str(job["APFVM"]), "apf_schedd": SCHEDD}
    return tags, str(job["EC2InstanceName"])


def seen(factory: Factory, instance: str) -> dict[str, Any]:
    return dict(audit(factory).get(instance, {"step": "", "why": ""}))


def test_terminates_a_duplicate_instance_that_never_joined(cloud: CloudProcess, make_factory: MakeFactory) -> None:
    factory = make_factory(factory=AUDITED, sched__retireidle__after="1h")
    job = Work(factory).submit(1)
    with factory:
        job.wait_running()
        tags, first = its_vm(factory)
        audits(factory, 1)
        with launched(cloud, tags) as second:
            until(
                lambda: "a startd with the same APFVM has" in seen(factory, second)["why"], "it is found and kept", 60
            )
            until(lambda: factory.queue()["batch"]["orphans"] == 1, "it counts", 20)
            audits(factory, 3)
            assert alive(cloud, factory) == [first, second]
            job.open()
            job.wait_done()
            until(lambda: alive(cloud, factory) == [first], "it is terminated, and the first is not", 60)
            assert its_vm(factory) == (tags, first)
            (done,) = factory.actions("terminate")
            assert second in done["what"]
            assert f"all ads with its APFVM come from {first}" in done["reason"]


def test_joined_duplicate_instance_retires_after_its_vm_job(
    cloud: CloudProcess, pool: Pool, make_factory: MakeFactory
) -> None:
    factory = make_factory(factory={**AUDITED, "orphans": "report"}, sched__retireidle__after="1h")
    job = Work(factory).submit(1)
    with factory:
        job.wait_running()
        tags, first = its_vm(factory)
        job.open()
        job.wait_done()
        plugin = load([factory.write_conf()]).queues[0].batchsubmit
        assert isinstance(plugin, CondorEC2)
        document = plugin.user_data(tags["apf_vm"], plugin.shape, pool.vm_token(), pool.address)
        with launched(cloud, tags, document) as second:
            until(lambda: "nothing proves it empty" in seen(factory, second)["why"], "its ads are seen", 60)
            factory.settings["orphans"] = "terminate"
            factory.reload()
            audits(factory, 4)
            assert alive(cloud, factory) == [first, second]
            pool.run("condor_rm", "-constraint", f'APFFactory == "{factory.id}" && APFVM =!= undefined')
            until(lambda: alive(cloud, factory) == [], "both have gone", 90)
            (done,) = [each for each in factory.actions("terminate") if each["error"] is None]
            assert "its master is in the pool and reports that no startd runs" in done["reason"]
