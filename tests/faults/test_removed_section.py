"""A section that is removed from the configuration while its queue has VMs."""

from pathlib import Path

from localcloud.process import CloudProcess
from tests.rig.factory import Factory, alive, ec2_queue, removed_at_end
from tests.rig.pool import Pool
from tests.rig.wait import until
from tests.rig.work import Work


def test_cares_for_vms_of_a_removed_section_until_they_end(cloud: CloudProcess, pool: Pool, tmp_path: Path) -> None:
    queues = {"KEPT": ec2_queue(cloud, "KEPT"), "GONE": ec2_queue(cloud, "GONE", sched__retireidle__after="1h")}
    factory = Factory(tmp_path / "section", pool, "section", queues)
    with removed_at_end(factory), factory:
        job = Work(factory, "GONE").submit(1)
        job.wait_running()
        until(lambda: factory.states("GONE") == {"busy": 1}, "its VM is busy", 20)
        del factory.queues["GONE"]
        factory.reload()
        until(lambda: "not configured" in (factory.blocked("GONE") or ""), "the queue is wound down", 20)
        assert factory.states("GONE") == {"busy": 1}
        (vm,) = factory.vms("GONE")
        pool.run("condor_off", "-peaceful", "-daemon", "startd", "-name", vm["startd"])
        job.open()
        job.wait_done()
        until(lambda: not alive(cloud, factory), "its instance ends", 60)
        assert any(
            "its master reports that its startd has ended" in action["reason"] for action in factory.actions("remove")
        )
        until(lambda: not factory.queue("GONE"), "the queue has left the status", 20)
