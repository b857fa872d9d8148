"""``apf audit`` on a real pool and cloud: an instance that nobody owns is found."""

import json

from localcloud.process import CloudProcess
from tests.pool.conftest import MakeFactory
from tests.rig.wait import until
from tests.rig.work import Work


def test_an_instance_without_a_vm_job_is_found(cloud: CloudProcess, make_factory: MakeFactory) -> None:
    factory = make_factory()
    jobs = Work(factory).submit(1)
    client = cloud.client()
    tags = [{"Key": "apf:factory", "Value": factory.id}, {"Key": "apf:vm", "Value": "orphan"}]
    with factory:
        jobs.wait_running()
        in_order = "1 VMs, 0 with something wrong"
        until(lambda: in_order in factory.run("audit").stdout, "the books are in order", 20, 1)
        assert factory.run("audit").returncode == 0
        launched = client.run_instances(
            ImageId="ami-12345678", InstanceType="t2.small", MinCount=1, MaxCount=1,
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
        )  # fmt: skip
        orphan = launched["Instances"][0]["InstanceId"]
        bad = factory.run("audit", "--json")
        assert bad.returncode == 1
        (line,) = [line for line in json.loads(bad.stdout)["lines"] if line["wrong"]]
        assert line["vm"] == "orphan"
        assert f"instance {orphan}" in line["wrong"][0]
        client.terminate_instances(InstanceIds=[orphan])
        jobs.open()
        jobs.wait_done()
