"""CondorEC2: several instance types, zones and markets as shapes on offer, and how they are submitted."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from factory.actions import Submit
from factory.config.settings import ConfigError, Queue
from factory.model import Ask, BatchStatus, Shape
from factory.plugin import Memory, Room
from plugins.batchsubmit.instancetypes import room, sizes
from tests.rig.queues import NOW, VMS, commands, make_queue, submit_tools

TWO = {"instance_type": "m5.large, m5.2xlarge"}


def queue(directory: Path, **own: object) -> Queue:
    return make_queue(directory, {**VMS, **{f"batchsubmit.condorec2.{key}": value for key, value in own.items()}})


def prices(made: Queue) -> Mapping[str, float | None]:
    return {str(offer.shape): offer.price for offer in made.batchsubmit.offers({})}


def test_one_type_is_one_shape_whose_size_is_in_the_table(tmp_path: Path) -> None:
    (offer,) = queue(tmp_path).batchsubmit.offers({})
    assert offer.shape == Shape("ami-1", "m5.large")
    assert (offer.room.cpus, offer.room.gpus, offer.price) == (2, 0, None)
    assert 7000 < offer.room.memory_mb < 7700, "a startd there has about 7,700 MiB"


def test_types_zones_and_markets_are_combined(tmp_path: Path) -> None:
    own = {"availability_zone": "a, b", "market": "spot, on-demand", "spot_price": 0.5, "image_m5.2xlarge": "ami-2"}
    shapes = [offer.shape for offer in queue(tmp_path, **TWO, **own).batchsubmit.offers({})]
    assert len(shapes) == 8
    assert shapes[0] == Shape("ami-1", "m5.large", "a", spot=True)
    assert {shape.image for shape in shapes if shape.instance_type == "m5.2xlarge"} == {"ami-2"}


def test_prices_are_by_type_and_market(tmp_path: Path) -> None:
    own = {"price_m5.large": 0.096, "price_m5.2xlarge": 0.384}
    assert list(prices(queue(tmp_path, **TWO, **own)).values()) == [0.096, 0.384]
    spot = {"spot_price": 0.5, "spotprice_m5.large": 0.03}
    assert list(prices(queue(tmp_path, **TWO, **spot)).values()) == [0.03, None]
    assert list(prices(queue(tmp_path, spot_price=0.5)).values()) == [0.5]


def test_a_size_that_was_seen_counts_and_a_type_that_nobody_knows_is_no_offer(tmp_path: Path) -> None:
    made = queue(tmp_path, instance_type="m5.large, own.huge")
    assert [offer.shape.instance_type for offer in made.batchsubmit.offers({})] == ["m5.large"]
    seen = {str(Shape("ami-1", "own.huge")): Room(64, 1_000_000, 1e9)}
    assert [offer.room.cpus for offer in made.batchsubmit.offers(seen)] == [2, 64]


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"market": "spott"}, "'spott' is no market"),
        ({"market": "spot"}, "market = spot needs spot_price"),
        ({"price_m5.large": "cheap"}, "is no price"),
        ({"price_m4.large": "0.1"}, "for a type that instance_type does not list"),
        ({"instance_type": ""}, "instance_type"),
    ],
)
def test_what_makes_no_sense_is_said(tmp_path: Path, own: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        queue(tmp_path, **own)
    assert said in str(caught.value)


def test_each_item_names_its_image_type_and_zone(tmp_path: Path) -> None:
    made = queue(tmp_path, **TWO, availability_zone="a, b", **{"image_m5.2xlarge": "ami-2"})
    shapes = (Shape("ami-2", "m5.2xlarge", "b"), Shape("ami-1", "m5.large", "a"))
    submission = made.batchsubmit.submission(2, shapes, submit_tools(tmp_path))
    assert commands(submission)["ec2_availability_zone"] == "$(zone)"
    keys = ("ami_id", "instance_type", "zone")
    assert [tuple(item[key] for key in keys) for item in submission.items] == [
        ("ami-2", "m5.2xlarge", "b"),
        ("ami-1", "m5.large", "a"),
    ]


def test_markets_are_submitted_apart(tmp_path: Path) -> None:
    made = queue(tmp_path, market="spot, on-demand", spot_price=0.5)
    shapes = (Shape("ami-1", "m5.large", spot=True), Shape("ami-1", "m5.large"), Shape("ami-1", "m5.large", spot=True))
    plan = made.batchsubmit.plan(Ask(3, shapes), BatchStatus(), Memory(), NOW)
    submits = [action for action in plan.actions if isinstance(action, Submit)]
    assert [(action.n, {shape.spot for shape in action.shapes}) for action in submits] == [(2, {True}), (1, {False})]
    said = [commands(made.batchsubmit.submission(a.n, a.shapes, submit_tools(tmp_path))) for a in submits]
    assert ["InstanceMarketOptions" in lines["ec2_parameter_names"] for lines in said] == [True, False]
    with pytest.raises(ValueError, match="together"):
        made.batchsubmit.submission(3, shapes, submit_tools(tmp_path))


def test_the_table_has_cores_memory_and_gpus() -> None:
    gpus = room("g4dn.12xlarge", 10)
    assert gpus is not None
    assert (gpus.cpus, gpus.gpus) == (48, 4)
    assert room("no.such", 10) is None


def test_the_table_is_made_of_what_the_cloud_answers() -> None:
    described = [
        {"InstanceType": "b", "VCpuInfo": {"DefaultVCpus": 2}, "MemoryInfo": {"SizeInMiB": 8192}},
        {
            "InstanceType": "a", "VCpuInfo": {"DefaultVCpus": 4}, "MemoryInfo": {"SizeInMiB": 1},
            "GpuInfo": {"Gpus": [{"Count": 2}, {"Count": 1}]},
        },
    ]  # fmt: skip
    assert sizes(described) == {"a": (4, 1, 3), "b": (2, 8192, 0)}
