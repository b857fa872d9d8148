"""Inventory: disagreements between VM jobs, instances and startds."""

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


def test_finds_nothing_wrong_where_all_sources_agree() -> None:
    inventory = build_inventory([job()], pool("vm1"), [instance()])
    (record,) = inventory.records
    assert (record.vm, record.queue, record.wrong, inventory.wrong) == ("vm1", "Q", (), 0)


@pytest.mark.parametrize(
    ("jobs", "in_pool", "instances", "says"),
    [
        ([], (), [instance()], "instance i-1 is running and has no VM job"),
        ([], (), [instance(state="stopped")], "instance i-1 is stopped and has no VM job"),
        ([], (), [instance(vm="")], "has no VM job"),
        ([], ("vm1",), [], "startd vm1 carries our factory id and has no VM job, 0 claims"),
        ([job()], (), [], "the cloud does not show instance i-1"),
        ([job()], (), [instance(state="terminated")], "its instance i-1 is terminated"),
        ([job()], (), [instance(name="i-2")], "instance i-2 is running, but the VM job records i-1"),
        ([job()], (), [instance(), instance(name="i-2")], "2 instances for one VM job: i-1, i-2"),
        ([replace(job(), instance=None)], (), [instance()], "but the VM job records no instance"),
        ([job(status=5, hold=Hold(42, 16, "x", 3))], (), [instance()], "held: termination failed"),
        (
            [replace(job(), identity="other@pool")],
            ("vm1",),
            [instance()],
            "has identity vm@pool, not other@pool",
        ),
        (
            [replace(job(), instance="i-2")],
            ("vm1",),
            [instance(name="i-2")],
            "its startd reports instance i-1",
        ),
    ],
)
def test_says_what_is_wrong(
    jobs: list[object], in_pool: tuple[str, ...], instances: list[InstanceRow], says: str
) -> None:
    (record,) = build_inventory(jobs, pool(*in_pool), instances).records  # type: ignore[arg-type]
    assert any(says in text for text in record.wrong), record.wrong


def test_ended_instance_needs_no_job_and_removed_job_no_instance() -> None:
    assert build_inventory([], pool(), [instance(state="terminated")]).records == ()
    assert build_inventory([job(status=3)], pool(), []).wrong == 0


def test_misses_no_instance_while_its_cloud_is_unreachable() -> None:
    """Rule 2."""
    assert build_inventory([job()], pool("vm1"), None).wrong == 0
    assert build_inventory([job()], pool("vm1"), [], asked=frozenset()).wrong == 0
    assert build_inventory([job()], pool("vm1"), [], asked=frozenset({"Q"})).wrong == 1


def test_key_pair_is_wrong_only_if_its_job_was_ours_and_left() -> None:
    named = {each.name: each for each in KeyPairOwner}
    inventory = build_inventory([job()], pool(), [instance()], named)
    assert (inventory.key_pairs, inventory.unclaimed, inventory.wrong) == (("LEFT",), ("UNKNOWN",), 1)


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
def test_reads_the_region_from_the_endpoint(url: str, where: str) -> None:
    assert region_of(url) == where


def test_names_below_localhost_become_127_0_0_1() -> None:
    assert local_endpoint("http://ec2.us-east-1.localhost:5000/") == "http://127.0.0.1:5000/"
    assert local_endpoint("https://ec2.amazonaws.com/") == "https://ec2.amazonaws.com/"
