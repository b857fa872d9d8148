"""The EC2 API of the local cloud, used through boto3."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from localcloud.process import CloudProcess
from tests.rig.wait import until


@pytest.fixture
def launched(cloud: CloudProcess) -> Iterator[list[str]]:
    """Instance ids to terminate after the test."""
    ids: list[str] = []
    yield ids
    if ids:
        cloud.client().terminate_instances(InstanceIds=ids)


def run(cloud: CloudProcess, launched: list[str], **parameters: Any) -> dict[str, Any]:
    defaults = {"ImageId": "ami-12345678", "InstanceType": "m5.large", "MinCount": 1, "MaxCount": 1}
    reply: dict[str, Any] = cloud.client().run_instances(**(defaults | parameters))
    launched.extend(instance["InstanceId"] for instance in reply["Instances"])
    return reply


def described(cloud: CloudProcess, instance_id: str) -> dict[str, Any]:
    reply = cloud.client().describe_instances(InstanceIds=[instance_id])
    instance: dict[str, Any] = reply["Reservations"][0]["Instances"][0]
    return instance


def state(cloud: CloudProcess, instance_id: str) -> str:
    return str(described(cloud, instance_id)["State"]["Name"])


def refused(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    reply = error.value.response
    return reply["Error"]["Code"], reply["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    """A cloud on which an instance stays ``pending``, and then ``shutting-down``, for longer than any test."""
    with CloudProcess(tmp_path_factory.mktemp("slow"), boot_delay_s=3600, shutdown_delay_s=3600) as running:
        yield running


def test_states_last_their_delays_and_get_a_reason_at_the_end(cloud: CloudProcess, launched: list[str]) -> None:
    instance_id = run(cloud, launched)["Instances"][0]["InstanceId"]
    until(lambda: state(cloud, instance_id) == "running", "running")
    assert not described(cloud, instance_id).get("StateReason", {}).get("Code")

    ended = cloud.client().terminate_instances(InstanceIds=[instance_id])["TerminatingInstances"][0]
    assert (ended["PreviousState"]["Name"], ended["CurrentState"]["Name"]) == ("running", "shutting-down")
    until(lambda: state(cloud, instance_id) == "terminated", "terminated")
    assert described(cloud, instance_id)["StateReason"]["Code"] == "Client.UserInitiatedShutdown"

    times = dict(cloud.instances()[instance_id]["history"])
    assert list(times) == ["pending", "running", "shutting-down", "terminated"]
    assert times["running"] - times["pending"] >= 0.5
    assert times["terminated"] - times["shutting-down"] >= 0.5


def test_states_on_the_way_are_described(slow: CloudProcess) -> None:
    instance_id = run(slow, [])["Instances"][0]["InstanceId"]
    assert state(slow, instance_id) == "pending"
    slow.client().terminate_instances(InstanceIds=[instance_id])
    assert state(slow, instance_id) == "shutting-down"


def test_instance_terminated_while_pending_never_runs(slow: CloudProcess) -> None:
    instance_id = run(slow, [])["Instances"][0]["InstanceId"]
    slow.client().terminate_instances(InstanceIds=[instance_id])
    assert list(dict(slow.instances()[instance_id]["history"])) == ["pending", "shutting-down"]


def test_same_client_token_launches_once(cloud: CloudProcess, launched: list[str]) -> None:
    first = run(cloud, launched, ClientToken="once")["Instances"][0]
    again = run(cloud, launched, ClientToken="once")["Instances"][0]
    assert first["InstanceId"] == again["InstanceId"]
    assert described(cloud, first["InstanceId"])["ClientToken"] == "once"
    with pytest.raises(ClientError) as error:
        run(cloud, launched, ClientToken="once", InstanceType="m5.xlarge")
    assert refused(error) == ("IdempotentParameterMismatch", 400)


def test_filter_finds_tags_set_at_launch(cloud: CloudProcess, launched: list[str]) -> None:
    tags = [{"Key": "apf:factory", "Value": "tagged"}, {"Key": "apf:queue", "Value": "q"}]
    spec = [{"ResourceType": "instance", "Tags": tags}]
    instance_id = run(cloud, launched, TagSpecifications=spec)["Instances"][0]["InstanceId"]
    pages = cloud.client().get_paginator("describe_instances")
    found = [
        instance["InstanceId"]
        for page in pages.paginate(
            Filters=[{"Name": "tag:apf:factory", "Values": ["tagged"]}], PaginationConfig={"PageSize": 5}
        )
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]
    ]
    assert found == [instance_id]
    assert cloud.instances()[instance_id]["tags"] == {"apf:factory": "tagged", "apf:queue": "q"}


def test_launches_as_many_as_max_count(cloud: CloudProcess, launched: list[str]) -> None:
    reply = run(cloud, launched, MinCount=1, MaxCount=3)
    assert len(reply["Instances"]) == 3


def test_market_options_launch_a_spot_instance(cloud: CloudProcess, launched: list[str]) -> None:
    reply = run(cloud, launched, InstanceMarketOptions={"MarketType": "spot"})
    instance_id = reply["Instances"][0]["InstanceId"]
    assert described(cloud, instance_id)["InstanceLifecycle"] == "spot"
    until(lambda: state(cloud, instance_id) == "running", "running")
    cloud.end(instance_id, "Server.SpotInstanceTermination")
    until(lambda: state(cloud, instance_id) == "terminated", "terminated")
    assert described(cloud, instance_id)["StateReason"]["Code"] == "Server.SpotInstanceTermination"


def test_spot_request_launches_an_instance(cloud: CloudProcess, launched: list[str]) -> None:
    specification = {"ImageId": "ami-12345678", "InstanceType": "m5.large"}
    cloud.client().request_spot_instances(InstanceCount=1, LaunchSpecification=specification)
    request = until(lambda: cloud.client().describe_spot_instance_requests()["SpotInstanceRequests"], "a spot request")[
        0
    ]
    launched.append(request["InstanceId"])
    assert cloud.instances()[request["InstanceId"]]["spot"]


def test_spot_fleet_launches_and_terminates_101_instances(cloud: CloudProcess) -> None:
    """101 instances are one more than fits on moto's page.

    ec2_gahp follows no NextToken, so it would treat the last instance as purged.
    """
    client = cloud.client()
    subnet = client.describe_subnets()["Subnets"][0]["SubnetId"]
    specification = {"ImageId": "ami-12345678", "InstanceType": "m5.large", "SubnetId": subnet, "WeightedCapacity": 1}
    config = {
        "IamFleetRole": "arn:aws:iam::123456789012:role/fleet",
        "TargetCapacity": 101,
        "SpotPrice": "1",
        "AllocationStrategy": "lowestPrice",
        "LaunchSpecifications": [specification],
    }
    before = set(cloud.instances())
    fleet = client.request_spot_fleet(SpotFleetRequestConfig=config)["SpotFleetRequestId"]
    ids = set(cloud.instances()) - before
    assert len(ids) == 101
    reply = client.describe_instances()
    assert "NextToken" not in reply
    assert len(reply["Reservations"]) >= 101
    seen = {instance["InstanceId"] for reservation in reply["Reservations"] for instance in reservation["Instances"]}
    assert ids <= seen

    cloud.wait(lambda machines: all(machines[i]["state"] == "running" for i in ids), "all run")
    client.cancel_spot_fleet_requests(SpotFleetRequestIds=[fleet], TerminateInstances=True)
    cloud.wait(lambda machines: all(machines[i]["state"] == "terminated" for i in ids), "all terminated")


def test_describes_types_and_prices(cloud: CloudProcess) -> None:
    types = cloud.client().describe_instance_types(InstanceTypes=["m5.large"])["InstanceTypes"]
    assert types[0]["VCpuInfo"]["DefaultVCpus"] == 2
    prices = cloud.client().describe_spot_price_history(InstanceTypes=["m5.large"])["SpotPriceHistory"]
    assert {price["InstanceType"] for price in prices} == {"m5.large"}


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"InstanceType": "m5.gigantic"}, "InvalidParameterValue"),
        ({"UserData": "x" * 16385}, "InvalidParameterValue"),
        ({"ImageId": "ami-12345678", "SecurityGroupIds": ["sg-nowhere"]}, "InvalidGroup.NotFound"),
    ],
)
def test_refuses_bad_launches(cloud: CloudProcess, launched: list[str], parameters: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as error:
        run(cloud, launched, **parameters)
    assert refused(error) == (code, 400)


def test_accepts_user_data_of_16_kb(cloud: CloudProcess, launched: list[str]) -> None:
    run(cloud, launched, UserData="x" * 16384)


def test_unknown_instance_is_not_found(cloud: CloudProcess) -> None:
    for call in ("describe_instances", "terminate_instances"):
        with pytest.raises(ClientError) as error:
            getattr(cloud.client(), call)(InstanceIds=["i-0123456789abcdef0"])
        assert refused(error) == ("InvalidInstanceID.NotFound", 400)
    with pytest.raises(ClientError) as error:
        cloud.client().get_console_output(InstanceId="i-0123456789abcdef0")
    assert refused(error) == ("InvalidInstanceID.NotFound", 400)


def test_refuses_wrong_keys(cloud: CloudProcess) -> None:
    for client in (cloud.client(access_key="AKIANOBODY0000000000"), cloud.client(secret_key="wrong")):
        with pytest.raises(ClientError) as error:
            client.describe_instances()
        assert refused(error) == ("AuthFailure", 401)


def test_responses_have_amazons_headers(cloud: CloudProcess) -> None:
    headers = cloud.client().describe_key_pairs()["ResponseMetadata"]["HTTPHeaders"]
    assert headers["server"] == "AmazonEC2"


def test_console_reports_bad_user_data_without_its_content(cloud: CloudProcess, launched: list[str]) -> None:
    document = "#cloud-config\nwrite_files:\n- path: /etc/x\n  encoding: b64\n  content: s3cret!\n"
    instance_id = run(cloud, launched, UserData=document)["Instances"][0]["InstanceId"]
    until(lambda: state(cloud, instance_id) == "running", "running")

    def console() -> str:
        return str(cloud.client().get_console_output(InstanceId=instance_id).get("Output", ""))

    until(lambda: "write_files entry 1: content is not b64" in console(), "the console shows the error")
    assert "s3cret" not in console()
    assert cloud.instances()[instance_id]["pid"] is None


def test_stopped_instance_starts_again(cloud: CloudProcess, launched: list[str]) -> None:
    instance_id = run(cloud, launched)["Instances"][0]["InstanceId"]
    until(lambda: state(cloud, instance_id) == "running", "running")
    cloud.client().stop_instances(InstanceIds=[instance_id])
    assert state(cloud, instance_id) == "stopping"
    until(lambda: state(cloud, instance_id) == "stopped", "stopped")
    cloud.client().start_instances(InstanceIds=[instance_id])
    assert state(cloud, instance_id) == "pending"
    until(lambda: state(cloud, instance_id) == "running", "running again")
    assert cloud.instances()[instance_id]["boots"] == 2


def test_outage_drops_requests_until_it_ends(cloud: CloudProcess) -> None:
    cloud.outage(30)
    with pytest.raises(ConnectionClosedError):
        cloud.client().describe_instances()
    cloud.outage(0)
    before = cloud.requests()["DescribeInstances"]
    cloud.client().describe_instances()
    assert cloud.requests()["DescribeInstances"] == before + 1


def test_s3_and_sts_answer_too(cloud: CloudProcess) -> None:
    cloud.client("s3").create_bucket(Bucket="config")
    assert [bucket["Name"] for bucket in cloud.client("s3").list_buckets()["Buckets"]] == ["config"]
    assert cloud.client("sts").get_caller_identity()["Account"]
