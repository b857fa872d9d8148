"""``apf audit`` on a real pool and cloud finds orphans even if some queries are forbidden."""

import json
from pathlib import Path

from localcloud.process import CloudProcess
from tests.pool.conftest import MakeFactory
from tests.rig.cloudhooks import deny
from tests.rig.factory import QUEUE, Factory, ec2_queue, removed_at_end
from tests.rig.orphans import AUDITED, audit, audits, launched
from tests.rig.pool import Pool
from tests.rig.wait import until
from tests.rig.work import Work


def test_audit_finds_an_instance_without_a_vm_job(cloud: CloudProcess, make_factory: MakeFactory) -> None:
    factory = make_factory()
    jobs = Work(factory).submit(1)
    client = cloud.client()
    tags = [{"Key": "apf:factory", "Value": factory.id}, {"Key": "apf:vm", "Value": "orphan"}]
    with factory:
        jobs.wait_running()
        in_order = "1 VM, 0 with problems"
        until(lambda: in_order in factory.run("audit").stdout, "the inventory is in order", 20, 1)
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


def test_audit_reports_instances_without_the_right_to_list_key_pairs(pool: Pool, tmp_path: Path) -> None:
    with CloudProcess(tmp_path / "cloud", boot_delay_s=0.5, hooks=["tests.rig.cloudhooks:Broken"]) as cloud:
        deny(cloud.directory, "DescribeKeyPairs UnauthorizedOperation")
        factory = Factory(tmp_path, pool, "denied", {QUEUE: ec2_queue(cloud, "denied")}, **AUDITED)
        with removed_at_end(factory), factory, launched(cloud, {"apf_factory": factory.id}) as orphan:
            until(lambda: orphan in audit(factory), "the instance is found", 60)
            audits(factory, 2)
            (note,) = factory.status()["audit"]["notes"]
            assert "UnauthorizedOperation" in note
            assert note in factory.log_text()
            assert factory.log_text().count("UnauthorizedOperation") == 1, "it is reported once"
            assert "UnauthorizedOperation" in factory.run("status").stdout
            said = json.loads(factory.run("audit", "--json").stdout)
            assert ([line["vm"] for line in said["lines"]], said["unknown"], said["notes"]) == ([orphan], [], [note])
        assert factory.run("audit").returncode == 0, "it may be intended"
