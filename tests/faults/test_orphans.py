"""Orphans with jobs: no job is killed."""

from pathlib import Path

from factory.config import load
from localcloud.process import CloudProcess
from plugins.batchsubmit.condorec2 import CondorEC2
from tests.rig.factory import QUEUE, Factory, ec2_queue, removed_at_end
from tests.rig.orphans import AUDITED, SCHEDD, audits, launched
from tests.rig.pool import Pool
from tests.rig.wait import until
from tests.rig.work import Work


def test_drains_a_busy_orphan_and_terminates_it_when_empty(cloud: CloudProcess, pool: Pool, tmp_path: Path) -> None:
    """Rules 5 and 6: its job completes, and until then the orphan counts against the caps."""
    queue = ec2_queue(cloud, "orphans", sched__maxtorun__maximum=1, sched__retireidle__after="1h")
    factory = Factory(tmp_path / "orphans", pool, "orphans", {QUEUE: queue}, **AUDITED)
    tags = {"apf_factory": factory.id, "apf_schedd": SCHEDD, "apf_queue": QUEUE, "apf_vm": f"{factory.id}-orphan"}
    plugin = load([factory.write_conf()]).queues[0].batchsubmit
    assert isinstance(plugin, CondorEC2)
    document = plugin.user_data(tags["apf_vm"], plugin.shape, pool.vm_token(), pool.address)
    with removed_at_end(factory), launched(cloud, tags, document) as orphan:
        job = Work(factory).submit(1)
        job.wait_running()
        with factory:
            here = f'APFVM == "{tags["apf_vm"]}"'
            until(lambda: pool.slots(f"{here} && Draining"), "the orphan drains", 30)
            more = Work(factory).submit(1)
            in_the_way = "1 taken by lost or held VMs or instances without a VM job"
            until(
                lambda: any(in_the_way in s["reason"] for s in factory.queue().get("steps", ())),
                "the orphan counts",
                20,
            )
            audits(factory)
            assert cloud.instances()[orphan]["state"] == "running"
            assert not factory.vm_jobs()
            assert factory.queue()["batch"]["orphans"] == 1
            job.open()
            job.wait_done()
            until(lambda: cloud.instances()[orphan]["state"] == "terminated", "it is terminated", 30)
            assert cloud.instances()[orphan]["reason"] == "Client.UserInitiatedShutdown"
            assert (
                "its master is in the pool and reports that no startd runs" in factory.actions("terminate")[0]["reason"]
            )
            until(factory.vm_jobs, "a VM is bought in its place", 20)
            more.open()
