"""The books: what is wrong in each line."""

from dataclasses import replace

import pytest

from factory.audit.inventory import build_inventory
from factory.model.cloud import InstanceRow, KeyPairOwner
from factory.model.pool import PoolRows
from factory.model.vm import Hold
from plugins.cloud.ec2instances import local_endpoint, region_of
from tests.rig.vms import job, machine, master


def instance(vm: str = "vm1", state: str = "running", name: str = "i-1") -> InstanceRow:
    return InstanceRow(name, state, vm, "Q", "m5.large", "us-east-1a", 0)


def pool(*uuids: str) -> PoolRows:
    return PoolRows(10_000, {uuid: machine(uuid) for uuid in uuids}, {uuid: master(uuid) for uuid in uuids})


def test_a_vm_on_which_all_agree_has_nothing_wrong() -> None:
    found = build_inventory([job()], pool("vm1"), [instance()])
    (line,) = found.records
    assert (line.vm, line.queue, line.wrong, found.wrong) == ("vm1", "Q", (), 0)


@pytest.mark.parametrize(
    ("jobs", "in_pool", "instances", "says"),
    [
        ([], (), [instance()], "instance i-1 is running and has no VM job"),
        ([], (), [instance(state="stopped")], "instance i-1 is stopped and has no VM job"),
        ([], (), [instance(vm="")], "has no VM job"),
        ([], ("vm1",), [], "startd vm1 carries our factory id and has no VM job, 0 claims"),
        ([job()], (), [], "its instance i-1 is not there"),
        ([job()], (), [instance(state="terminated")], "its instance i-1 is terminated"),
        ([job()], (), [instance(name="i-2")], "instance i-2 is running, and the VM job has i-1"),
        ([job()], (), [instance(), instance(name="i-2")], "2 instances for one VM job: i-1, i-2"),
        ([replace(job(), instance=None)], (), [instance()], "the VM job knows of none"),
        ([job(status=5, hold=Hold(42, 16, "x", 3))], (), [instance()], "held: termination failed"),
        ([replace(job(), identity="other@pool")], ("vm1",), [instance()], "a startd claims its APFVM as vm@pool"),
        ([replace(job(), instance="i-2")], ("vm1",), [instance(name="i-2")], "its startd says that it runs on i-1"),
    ],
)
def test_what_is_wrong_is_said(
    jobs: list[object], in_pool: tuple[str, ...], instances: list[InstanceRow], says: str
) -> None:
    (line,) = build_inventory(jobs, pool(*in_pool), instances).records  # type: ignore[arg-type]
    assert any(says in text for text in line.wrong), line.wrong


def test_an_instance_that_has_ended_needs_no_job_and_a_job_on_its_way_out_no_instance() -> None:
    assert build_inventory([], pool(), [instance(state="terminated")]).records == ()
    assert build_inventory([job(status=3)], pool(), []).wrong == 0


def test_of_a_cloud_that_did_not_answer_nothing_is_said() -> None:
    """Rule 2."""
    assert build_inventory([job()], pool("vm1"), None).wrong == 0
    assert build_inventory([job()], pool("vm1"), [], asked=frozenset()).wrong == 0
    assert build_inventory([job()], pool("vm1"), [], asked=frozenset({"Q"})).wrong == 1


def test_a_key_pair_is_wrong_only_if_its_job_was_ours_and_has_gone() -> None:
    named = {each.name: each for each in KeyPairOwner}
    found = build_inventory([job()], pool(), [instance()], named)
    assert (found.key_pairs, found.unclaimed, found.wrong) == (("LEFT",), ("UNKNOWN",), 1)


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("https://ec2.amazonaws.com/", "us-east-1"),
        ("https://ec2.eu-west-1.amazonaws.com/", "eu-west-1"),
        ("https://ec2.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("http://ec2.us-east-1.localhost:5000/", "us-east-1"),
        ("https://cloud.example.org:8788/services/Cloud", "us-east-1"),
    ],
)
def test_the_region_is_read_from_the_endpoint(url: str, where: str) -> None:
    assert region_of(url) == where


def test_names_below_localhost_need_not_resolve() -> None:
    assert local_endpoint("http://ec2.us-east-1.localhost:5000/") == "http://127.0.0.1:5000/"
    assert local_endpoint("https://ec2.amazonaws.com/") == "https://ec2.amazonaws.com/"
