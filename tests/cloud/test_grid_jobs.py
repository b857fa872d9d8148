"""EC2 grid jobs of a real schedd against the local cloud, from submission to every kind of end."""

from collections.abc import Iterator
from typing import Any

import pytest

from localcloud.process import CloudProcess
from tests.rig.pool import Pool
from tests.rig.vm import submit_sleep, submit_vm, user_data
from tests.rig.wait import until

TAGS: dict[str, Any] = {
    "ec2_parameter_names": "Version, TagSpecification.1.ResourceType, TagSpecification.1.Tag.1.Key, "
    "TagSpecification.1.Tag.1.Value, InstanceMarketOptions.MarketType",
    "ec2_parameter_Version": "2016-11-15",
    "ec2_parameter_TagSpecification_1_ResourceType": "instance",
    "ec2_parameter_TagSpecification_1_Tag_1_Key": "apf:vm",
    "ec2_parameter_TagSpecification_1_Tag_1_Value": "by-hand",
    "ec2_parameter_InstanceMarketOptions_MarketType": "spot",
}


@pytest.fixture(scope="module")
def openstack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    with CloudProcess(tmp_path_factory.mktemp("openstack"), flavour="openstack", boot_delay_s=0.5) as running:
        yield running


@pytest.fixture(scope="module")
def vms(
    pool: Pool, cloud: CloudProcess, openstack: CloudProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, int]]:
    """VM jobs of all tests, submitted together since gridmanager and gahp need 8 s to start."""
    directory = tmp_path_factory.mktemp("vms")
    key = directory / "access_key"
    key.write_text("AKIANOBODY0000000000\n")
    plain, ends_itself = user_data(pool), user_data(pool, "STARTD_NOCLAIM_SHUTDOWN = 2")
    yield {
        "runs a job": submit_vm(pool, cloud, directory, plain, ec2_instance_type="m5.xlarge", **TAGS),
        "turned off": submit_vm(pool, cloud, directory, plain),
        "wrong key": submit_vm(pool, cloud, directory, plain, ec2_access_key_id=key),
        "ends itself": submit_vm(pool, cloud, directory, ends_itself),
        "openstack": submit_vm(pool, openstack, directory, ends_itself),
    }
    pool.run("condor_rm", "-all", check=False)


def instance_of(pool: Pool, cluster: int) -> str:
    """Wait until a VM job has an instance and return its id."""
    ads = until(lambda: pool.jobs(f"ClusterId == {cluster} && EC2InstanceName isnt undefined"), "an instance")
    return str(ads[0]["EC2InstanceName"])


def joined(pool: Pool, instance_id: str) -> dict[str, object]:
    """Wait until an instance's startd has joined and return its slot ad."""
    return until(lambda: pool.slots(f'EC2InstanceID == "{instance_id}"'), f"{instance_id} joins")[0]


def test_vm_joins_runs_a_job_and_is_removed(pool: Pool, cloud: CloudProcess, vms: dict[str, int]) -> None:
    vm = vms["runs a job"]
    instance_id = instance_of(pool, vm)
    machine = cloud.instances()[instance_id]
    assert machine["tags"] == {"apf:vm": "by-hand"}
    assert machine["spot"]

    slot = joined(pool, instance_id)
    assert (slot["Cpus"], slot["Memory"], slot["Machine"]) == (4, 16384, machine["hostname"])
    assert slot["Disk"] == 8 * 1024 * 1024
    assert slot["AuthenticatedIdentity"] == pool.user

    job = submit_sleep(pool, 1, request_cpus=3)
    done = until(lambda: pool.history(f"ClusterId == {job}"), "the job is done")[0]
    assert done["ExitCode"] == 0
    assert instance_id in done["LastRemoteHost"]

    assert pool.jobs(f"ClusterId == {vm}")[0]["EC2ServerType"] == "Amazon"
    pool.run("condor_rm", str(vm))
    until(lambda: not pool.jobs(f"ClusterId == {vm}"), "the VM job is gone")
    assert cloud.instances()[instance_id]["state"] in ("shutting-down", "terminated")
    until(lambda: not pool.slots(f'EC2InstanceID == "{instance_id}"'), "its startd has left the collector")
    cloud.wait(lambda machines: machines[instance_id]["state"] == "terminated", "terminated")


def test_condor_off_of_the_startd_ends_the_vm(pool: Pool, cloud: CloudProcess, vms: dict[str, int]) -> None:
    """MASTER.DAEMON_SHUTDOWN_FAST ends a master without startd; then the machine powers off."""
    instance_id = instance_of(pool, vms["turned off"])
    name = str(joined(pool, instance_id)["Name"]).removeprefix("slot1@")
    until(lambda: pool.masters(f'Name == "{name}"'), "its master is in the collector")
    pool.run("condor_off", "-peaceful", "-daemon", "startd", "-name", name)
    until(lambda: pool.history(f"ClusterId == {vms['turned off']}"), "the VM job is done", 40)
    assert cloud.instances()[instance_id]["reason"] == "Client.InstanceInitiatedShutdown"


def test_vm_that_shuts_itself_down_completes_its_job(pool: Pool, cloud: CloudProcess, vms: dict[str, int]) -> None:
    done = until(lambda: pool.history(f"ClusterId == {vms['ends itself']}"), "the VM job is done")[0]
    assert (done["JobStatus"], done["EC2StatusReasonCode"]) == (4, "Client.InstanceInitiatedShutdown")
    machine = cloud.instances()[done["EC2InstanceName"]]
    assert (machine["state"], machine["reason"]) == ("terminated", "Client.InstanceInitiatedShutdown")


def test_wrong_key_holds_the_job(pool: Pool, vms: dict[str, int]) -> None:
    held = until(lambda: pool.jobs(f"ClusterId == {vms['wrong key']} && JobStatus == 5"), "held")[0]
    assert (held["HoldReasonCode"], held["HoldReasonSubCode"]) == (37, 9)


def test_openstack_instance_that_shut_down_is_stopped_then_terminated(
    pool: Pool, openstack: CloudProcess, vms: dict[str, int]
) -> None:
    """On OpenStack a shutdown from inside leads to SHUTOFF, and the gridmanager must terminate the instance."""
    done = until(lambda: pool.history(f"ClusterId == {vms['openstack']}"), "the VM job is done")[0]
    assert done["EC2ServerType"] == "OpenStack"
    history = openstack.instances()[done["EC2InstanceName"]]["history"]
    states = [state for state, _ in history]
    assert states[:4] == ["pending", "running", "stopping", "stopped"]
    openstack.wait(lambda machines: machines[done["EC2InstanceName"]]["state"] == "terminated", "terminated")
