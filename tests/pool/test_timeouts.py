"""A machine that runs and never joins the pool goes, and the work goes to another."""

from pathlib import Path

from localcloud.process import CloudProcess
from tests.rig.cloudhooks import NEVER_JOIN
from tests.rig.factory import Factory, ec2_queue, instances, removed_at_end
from tests.rig.pool import Pool
from tests.rig.wait import until
from tests.rig.work import Work


def test_a_machine_that_never_joins_ends_after_boottimeout(pool: Pool, tmp_path: Path) -> None:
    hooks = ["tests.rig.cloudhooks:Broken"]
    with CloudProcess(tmp_path / "cloud", boot_delay_s=0.5, shutdown_delay_s=0.5, hooks=hooks) as cloud:
        never_join = cloud.directory / NEVER_JOIN
        never_join.touch()
        queue = ec2_queue(cloud, "never", apfqueue__sleep=1, batchsubmit__condorec2__boottimeout=30)
        factory = Factory(tmp_path, pool, "never", {"CLOUD": queue})
        jobs = Work(factory).submit(1)
        with removed_at_end(factory), factory:
            until(lambda: factory.actions("remove"), "the machine is removed", 90, 0.5)
            (removal,) = factory.actions("remove")
            assert "never joined" in removal["reason"]
            assert removal["error"] is None
            assert factory.queue()["health"]["launches"], "it speaks against its shape"
            never_join.unlink()
            jobs.wait_running()
            states = sorted(machine["state"] for machine in instances(cloud, factory))
            assert states == ["running", "terminated"]
            jobs.open()
            jobs.wait_done()
