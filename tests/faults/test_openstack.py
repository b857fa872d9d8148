"""Instances that stay in ERROR or SHUTOFF and count against the quota, as on OpenStack."""

from pathlib import Path

from localcloud.process import CloudProcess
from tests.rig.cloudhooks import FAIL
from tests.rig.factory import QUEUE, Factory, alive, ec2_queue, instances, removed_at_end
from tests.rig.pool import Pool
from tests.rig.wait import until
from tests.rig.work import Work


def test_terminates_instances_in_error_and_shutoff_and_buys_others(pool: Pool, tmp_path: Path) -> None:
    with CloudProcess(
        tmp_path / "cloud", flavour="openstack", boot_delay_s=0.5, hooks=["tests.rig.cloudhooks:Broken"]
    ) as cloud:
        (cloud.directory / FAIL).touch()
        queue = ec2_queue(cloud, "stack", sched__maxtorun__maximum=1, sched__retireidle__after="1h")
        factory = Factory(tmp_path / "stack", pool, "stack", {QUEUE: queue}, audit_interval=5)

        def machine(state: str) -> str:
            return next((each["id"] for each in instances(cloud, factory) if each["state"] == state), "")

        with removed_at_end(factory), factory:
            jobs = Work(factory).submit(1)
            failed = until(lambda: machine("error"), "an instance ends in ERROR", 60)
            (cloud.directory / FAIL).unlink()
            cloud.wait(lambda machines: machines[failed]["state"] == "terminated", "it is terminated", 60)
            reasons = [action["reason"] for action in factory.actions("remove")]
            assert any("status ERROR" in reason for reason in reasons), reasons
            launches = until(lambda: factory.queue()["health"]["launches"], "its shape counts the failure", 20)
            assert False in next(iter(launches.values()))

            jobs.wait_running()
            jobs.open()
            jobs.wait_done()
            stopped = machine("running")
            cloud.client().stop_instances(InstanceIds=[stopped])
            cloud.wait(lambda machines: machines[stopped]["state"] == "terminated", "SHUTOFF is terminated", 60)
            assert "stopped" in [state for state, _ in cloud.instances()[stopped]["history"]]
            until(lambda: not factory.vm_jobs(), "its VM job has ended", 60)
            assert not alive(cloud, factory)
            assert not cloud.client().describe_key_pairs()["KeyPairs"], "no key pair is left"
