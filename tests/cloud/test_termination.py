"""Termination of instances through EC2's API, with one outcome per instance."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from factory.model.cloud import Account, InstanceRow
from localcloud.process import CloudProcess
from plugins.cloud.ec2instances import EC2Instances
from plugins.cloud.ec2termination import EC2Termination
from tests.rig.cloudhooks import deny
from tests.rig.orphans import launched

TAGS = {"apf_factory": "f1", "apf_queue": "Q", "apf_vm": "vm1", "apf_schedd": "ap@pool"}
DONE = ("shutting-down", "terminated")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    with CloudProcess(
        tmp_path_factory.mktemp("cloud"), boot_delay_s=0, hooks=["tests.rig.cloudhooks:Broken"]
    ) as running:
        yield running


@pytest.fixture
def three(own: CloudProcess) -> Iterator[dict[str, InstanceRow]]:
    """Three instances as an audit sees them; afterwards the cloud refuses nothing any more."""
    with ExitStack() as stack:
        ids = [stack.enter_context(launched(own, TAGS)) for _ in range(3)]
        yield {each: InstanceRow(each, "running", "vm1", "Q", "t2.small", "", 0, "ap@pool") for each in ids}
        deny(own.directory)


def account(cloud: CloudProcess) -> Account:
    return Account("EC2", cloud.url, cloud.access_key_file, cloud.secret_key_file)


def end(
    cloud: CloudProcess, *rows: InstanceRow, key_pairs: tuple[str, ...] = (), within_s: float = 30
) -> dict[str, str | None]:
    return EC2Termination(account(cloud), "f1", rows, key_pairs, within_s).perform()


def ended(cloud: CloudProcess) -> set[str]:
    return {each["id"] for each in cloud.instances().values() if each["state"] in DONE}


def test_one_request_terminates_all_instances(own: CloudProcess, three: dict[str, InstanceRow]) -> None:
    before = own.requests()["TerminateInstances"]
    assert end(own, *three.values()) == dict.fromkeys(three)
    assert own.requests()["TerminateInstances"] == before + 1
    assert three.keys() <= ended(own)


def test_protected_instance_does_not_stop_other_terminations(own: CloudProcess, three: dict[str, InstanceRow]) -> None:
    one, protected, other = three
    deny(own.directory, f"TerminateInstances OperationNotPermitted {protected}")
    found = end(own, *three.values())
    assert "OperationNotPermitted" in str(found.pop(protected))
    assert found == {one: None, other: None}
    assert ended(own) & three.keys() == {one, other}


def test_unknown_instance_does_not_stop_other_terminations(own: CloudProcess, three: dict[str, InstanceRow]) -> None:
    one, unknown, other = three
    deny(own.directory, f"TerminateInstances InvalidInstanceID.NotFound {unknown}")
    assert {name for name, error in end(own, *three.values()).items() if error is None} == {one, other}


def test_instance_that_changed_since_the_audit_is_left_alone(own: CloudProcess, three: dict[str, InstanceRow]) -> None:
    """Rule 10: an instance is ended only in the state in which the audit chose it."""
    one, gone, other = three
    own.client().terminate_instances(InstanceIds=[gone])
    own.client().create_tags(Resources=[other], Tags=[{"Key": "apf:vm", "Value": "another"}])
    changed = "not done: the instance has changed or ended since the audit"
    started = replace(three[one], state="stopped")
    assert end(own, started) == {one: changed}, "it was started again"
    assert end(own, *three.values()) == {one: None, gone: changed, other: changed}
    assert other not in ended(own)


@pytest.mark.parametrize("code", ["RequestLimitExceeded", "AuthFailure"])
def test_general_refusal_stops_further_requests(own: CloudProcess, three: dict[str, InstanceRow], code: str) -> None:
    deny(own.directory, f"TerminateInstances {code}", f"DeleteKeyPair {code}")
    before = own.requests()
    found = end(own, *three.values(), key_pairs=("SSH_1", "SSH_2"))
    assert found.keys() == {*three, "SSH_1"}, "the second key pair was not tried"
    assert all(code in str(error) for error in found.values())
    after = own.requests()
    asked = [after[each] - before[each] for each in ("TerminateInstances", "DeleteKeyPair")]
    assert max(asked) <= 3, "but for the retries of boto3"


def test_each_key_pair_has_its_own_outcome(own: CloudProcess) -> None:
    names = ("SSH_1", "SSH_2", "SSH_3")
    for name in names:
        own.client().create_key_pair(KeyName=name)
    deny(own.directory, "DeleteKeyPair UnauthorizedOperation SSH_2")
    found = end(own, key_pairs=names)
    assert {name for name, error in found.items() if error is None} == {"SSH_1", "SSH_3"}
    left = EC2Instances(
        url=own.url, access_key=own.access_key_file, secret_key=own.secret_key_file, factory_id="f1"
    ).fetch()
    assert left.key_pairs == ("SSH_2",)


def test_nothing_is_tried_when_no_time_is_left(own: CloudProcess, three: dict[str, InstanceRow]) -> None:
    assert end(own, *three.values(), key_pairs=("SSH_1",), within_s=0) == {}
    assert not ended(own) & three.keys()
