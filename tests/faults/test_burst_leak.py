"""A burst of VMs, some of which HTCondor gives up because the cloud does not show fresh instances."""

from pathlib import Path
from typing import Any

from factory.model.vm import counted
from localcloud.process import CloudProcess
from tests.faults.cloudfaults import HOOK, Answers, Broken
from tests.rig.factory import QUEUE, Factory, ec2_queue, instances, removed_at_end
from tests.rig.orphans import audits
from tests.rig.pool import Pool
from tests.rig.wait import until
from tests.rig.work import Work

VMS = 100


def test_no_vm_leaks_from_a_burst_of_100_that_the_cloud_partly_hides(pool: Pool, tmp_path: Path) -> None:
    """Its machines never finish booting: the test looks at instances and VM jobs only."""
    with CloudProcess(tmp_path / "cloud", boot_delay_s=3600, hooks=[HOOK]) as cloud:
        broken = Broken(cloud.directory)
        broken.set(Answers("omit", seconds=4))
        queue = ec2_queue(
            cloud, "burst", sched__maxtorun__maximum=VMS, batchsubmit__condorec2__maxinstances=VMS,
        )  # fmt: skip
        factory = Factory(tmp_path / "burst", pool, "burst", {QUEUE: queue}, audit_interval=5)

        def alive() -> list[dict[str, Any]]:
            gone = ("terminated", "shutting-down")
            return [each for each in instances(cloud, factory) if each["state"] not in gone]

        def owned() -> set[str]:
            return {str(job["APFVM"]) for job in factory.vm_jobs("APFVM")}

        def leaked() -> list[str]:
            mine = owned()
            return [each["id"] for each in alive() if each["tags"]["apf:vm"] not in mine]

        with removed_at_end(factory), factory:
            audits(factory, 1)
            Work(factory).submit(VMS)
            until(lambda: len(instances(cloud, factory)) >= VMS, f"{VMS} instances", 120, 1)
            given_up = until(leaked, "HTCondor gives up some", 20, 0.2)
            broken.set()
            until(lambda: factory.actions("terminate"), "orphans are terminated", 60, 0.5)
            until(lambda: not leaked() and len(alive()) == VMS == len(owned()), "all VMs exist and none leaked", 180, 1)
            reaped = factory.status()["audit"]["reaped"]
            done = [action for action in factory.actions("terminate") if action["error"] is None]
            assert reaped == len(done) == len(instances(cloud, factory)) - VMS
            assert any(given_up[0] in action["what"] for action in done)
            assert all("has no VM job" in action["reason"] for action in done)
            assert f"{counted(reaped, 'orphan')} terminated since the factory started" in factory.run("status").stdout
        until(lambda: not factory.vm_jobs(), "the VM jobs end", 120, 1)
        assert not alive()
