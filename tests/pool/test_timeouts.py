"""A VM that never joins the pool is removed and replaced; a working VM stays."""

from pathlib import Path

import pytest

from factory.condor.schedd import actions as acts
from factory.model.address import PoolAddress, ScheddAddress
from factory.model.vm import JobId
from factory.process.workers import CallFailed, Workers
from localcloud.process import CloudProcess
from tests.pool.conftest import MakeFactory
from tests.rig.cloudhooks import NEVER_JOIN
from tests.rig.factory import Factory, ec2_queue, instances, removed_at_end
from tests.rig.pool import Pool
from tests.rig.wait import until
from tests.rig.work import Work


def test_vm_that_never_joins_ends_after_boottimeout(pool: Pool, tmp_path: Path) -> None:
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
            assert factory.queue()["health"]["launches"], "it counts against its shape"
            never_join.unlink()
            jobs.wait_running()
            states = sorted(machine["state"] for machine in instances(cloud, factory))
            assert states == ["running", "terminated"]
            jobs.open()
            jobs.wait_done()


def test_keeps_an_absent_vm_that_a_job_or_ad_names(
    pool: Pool, make_factory: MakeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker asks schedd and collector again, even if no startd of the VM was ever seen (rule 5)."""
    monkeypatch.setenv("CONDOR_CONFIG", pool.env["CONDOR_CONFIG"])
    factory = make_factory()
    jobs = Work(factory).submit(1)
    with factory:
        jobs.wait_running()
        (vm,) = until(lambda: [each for each in factory.vms() if each["state"] == "busy"], "the VM is busy", 20)
        cluster, proc = map(int, vm["job"].split("."))
        workers = Workers()

        def remove(*more: object) -> None:
            workers.call("schedd", 30, acts.remove, ScheddAddress(), JobId(cluster, proc), "true", "a test", *more)

        try:
            with pytest.raises(CallFailed, match="is running on"):
                remove(vm["vm"])
            jobs.open()
            jobs.wait_done()
            factory.kill()
            with pytest.raises(CallFailed, match="is back in the pool"):
                remove(vm["vm"], (PoolAddress(pool.address), vm["vm"]))
            remove("somebody-else", (PoolAddress(pool.address), "somebody-else"))
        finally:
            workers.stop()
