"""The seam on a running cloud: hooks that change requests and boots."""

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from localcloud.process import CloudFailed, CloudProcess
from tests.rig.pool import Pool
from tests.rig.vm import submit_vm, user_data
from tests.rig.wait import until

HOOKS = [f"tests.cloud.hooks:{name}" for name in ("Throttle", "LoseAnswer", "NeverJoins")]
LAUNCH = {"ImageId": "ami-12345678", "InstanceType": "m5.large", "MinCount": 1, "MaxCount": 1}


@pytest.fixture(scope="module")
def hooked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    with CloudProcess(tmp_path_factory.mktemp("hooked"), boot_delay_s=0.2, hooks=HOOKS) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def vm_job(hooked: CloudProcess, pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> int:
    """A VM job, submitted first since the gridmanager needs some seconds to start."""
    return submit_vm(pool, hooked, tmp_path_factory.mktemp("vm"), user_data(pool, "START = False"))


def launch(cloud: CloudProcess, fault: str, document: str = "") -> str:
    """Launch a machine twice with one token, since ``LoseAnswer`` drops the first response."""
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "fault", "Value": fault}]}]
    parameters = LAUNCH | {"ClientToken": f"{fault}-token", "TagSpecifications": tags, "UserData": document}
    with pytest.raises(ConnectionClosedError):
        cloud.client().run_instances(**parameters)
    return str(cloud.client().run_instances(**parameters)["Instances"][0]["InstanceId"])


def test_request_hook_can_answer_itself(hooked: CloudProcess) -> None:
    with pytest.raises(ClientError) as refusal:
        hooked.client(region="eu-west-1").describe_instances()
    assert refusal.value.response["Error"]["Code"] == "RequestLimitExceeded"
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503


def test_retry_after_a_lost_answer_launches_once(hooked: CloudProcess) -> None:
    instance_id = launch(hooked, "lost")
    found = [m["id"] for m in hooked.instances().values() if m["client_token"] == "lost-token"]
    assert found == [instance_id]


def test_boot_hook_can_delay_a_boot_or_prevent_joining(hooked: CloudProcess, pool: Pool) -> None:
    document = user_data(pool)
    joins, never, slow = (launch(hooked, fault, document) for fault in ("none", "never-joins", "slow"))
    hooked.wait(lambda machines: all(machines[i]["state"] == "running" for i in (joins, never, slow)), "all run")
    until(lambda: {joins, slow} <= {slot.get("EC2InstanceID") for slot in pool.slots()}, "the others join")
    machines = hooked.instances()
    assert never not in {slot.get("EC2InstanceID") for slot in pool.slots()}
    assert machines[never]["pid"] is None
    times = dict(machines[slow]["history"])
    assert times["running"] - times["pending"] > 0.9, "the hook waits for a second"


def test_gridmanager_survives_a_lost_answer(hooked: CloudProcess, pool: Pool, vm_job: int) -> None:
    ad = until(lambda: pool.jobs(f"ClusterId == {vm_job} && GridJobId isnt undefined"), "a client token")[0]
    token = str(ad["GridJobId"]).split()[2]
    hooked.wait(lambda machines: any(m["client_token"] == token for m in machines.values()), "an instance")
    pool.run("condor_rm", str(vm_job))
    until(lambda: not pool.jobs(f"ClusterId == {vm_job}"), "the VM job is gone", 60)
    mine = [m["state"] for m in hooked.instances().values() if m["client_token"] == token]
    assert len(mine) == 1
    assert mine[0] in ("shutting-down", "terminated")


def test_cloud_fails_to_start_with_an_invalid_hook(tmp_path_factory: pytest.TempPathFactory) -> None:
    cloud = CloudProcess(tmp_path_factory.mktemp("cloud"), hooks=["localcloud.machine:LocalMachine"])
    with pytest.raises(CloudFailed):
        cloud.start()
