"""CondorEC2: instance types, zones and markets as shapes on offer, and their submission."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from factory.config.problems import ConfigError
from factory.config.queues import Queue
from factory.fit.packing.purchase import buy
from factory.model.actions import Submit
from factory.model.ask import Ask
from factory.model.shape import Shape
from factory.model.status import BatchStatus
from factory.plugin import Memory, Room
from plugins.batchsubmit.instancetypes import room, sizes
from tests.rig.fit import group
from tests.rig.queues import NOW, VMS, commands, make_queue, submit_tools

TWO = {"instance_type": "m5.large, m5.2xlarge"}


def queue(directory: Path, **own: object) -> Queue:
    return make_queue(directory, {**VMS, **{f"batchsubmit.condorec2.{key}": value for key, value in own.items()}})


def prices(made: Queue) -> Mapping[str, float | None]:
    return {str(offer.shape): offer.price for offer in made.batchsubmit.offers({})}


def test_one_type_gives_one_shape_with_its_size_from_the_table(tmp_path: Path) -> None:
    (offer,) = queue(tmp_path).batchsubmit.offers({})
    assert offer.shape == Shape("ami-1", "m5.large")
    assert (offer.room.cpus, offer.room.gpus, offer.price) == (2, 0, None)
    assert 7000 < offer.room.memory_mb < 7700, "a startd there has about 7,700 MiB"


def test_combines_types_zones_and_markets(tmp_path: Path) -> None:
    own = {"availability_zone": "a, b", "market": "spot, on-demand", "spot_price": 0.5, "image_m5.2xlarge": "ami-2"}
    shapes = [offer.shape for offer in queue(tmp_path, **TWO, **own).batchsubmit.offers({})]
    assert len(shapes) == 8
    assert shapes[0] == Shape("ami-1", "m5.large", "a", spot=True)
    assert {shape.image for shape in shapes if shape.instance_type == "m5.2xlarge"} == {"ami-2"}


def test_prices_depend_on_type_and_market(tmp_path: Path) -> None:
    own = {"price_m5.large": 0.096, "price_m5.2xlarge": 0.384}
    assert list(prices(queue(tmp_path, **TWO, **own)).values()) == [0.096, 0.384]
    spot = {"spot_price": 0.5, "spotprice_m5.large": 0.03}
    assert list(prices(queue(tmp_path, **TWO, **spot)).values()) == [0.03, None]
    assert list(prices(queue(tmp_path, spot_price=0.5)).values()) == [0.5]


def test_unknown_type_is_offered_once_its_size_was_seen(tmp_path: Path) -> None:
    made = queue(tmp_path, instance_type="m5.large, own.huge")
    assert [offer.shape.instance_type for offer in made.batchsubmit.offers({})] == ["m5.large"]
    seen = {str(Shape("ami-1", "own.huge")): Room(64, 1_000_000, 1e9)}
    assert [offer.room.cpus for offer in made.batchsubmit.offers(seen)] == [2, 64]


def test_configured_size_overrides_the_table(tmp_path: Path) -> None:
    own = {"instance_type": "own.huge, m1.large, gpu", "size_own.huge": "64,512000", "size_m1.large": "4 , 8192"}
    made = queue(tmp_path, **own, size_gpu="8, 32768, 2")
    configured = [(offer.room.cpus, offer.room.memory_mb, offer.room.gpus) for offer in made.batchsubmit.offers({})]
    assert configured == [(64, 476096, 0), (4, 7554, 0), (8, 30410, 2)]
    machines = made.batchsubmit.machines()
    assert machines is not None
    assert machines.cores == 64


@pytest.mark.parametrize(
    ("own", "disk_gb"),
    [
        ({}, 10),
        ({"block_device_mapping": "/dev/xvda:snap-1:100:true"}, 100),
        ({"block_device_mapping": "/dev/xvda:snap-1:100:true, /dev/xvdb::500:true, ephemeral0:/dev/sdc"}, 500),
        ({"block_device_mapping": "/dev/xvda:snap-1:100:true", "disk": 30}, 30),
        ({"block_device_mapping": "ephemeral0:/dev/sdb"}, 10),
        ({"block_device_mapping": "/dev/xvda:snap-1:0:true"}, 10),
    ],
)
def test_disk_is_what_the_queue_orders(tmp_path: Path, own: dict[str, object], disk_gb: int) -> None:
    (offer,) = queue(tmp_path, instance_type="m5.large", **own).batchsubmit.offers({})
    assert offer.room.disk_kb == disk_gb * 1024 * 1024


@pytest.mark.parametrize(
    ("own", "error"),
    [
        ({"market": "spott"}, "'spott' is not a market"),
        ({"market": "spot"}, "market = spot needs a limit"),
        ({"price_m5.large": "cheap"}, "is not a price"),
        ({"size_m5.large": "2"}, "'2' for m5.large is not a size; write cores, MiB of memory and GPUs"),
        ({"size_m5.large": "2, 0"}, "is not a size"),
        ({"size_m5.large": "2, 8 GB"}, "is not a size"),
        ({"size_m4.large": "2, 8192"}, "instance_type does not list"),
        ({"price_m4.large": "0.1"}, "instance_type does not list"),
        ({"instance_type": ""}, "instance_type"),
    ],
)
def test_rejects_invalid_settings(tmp_path: Path, own: dict[str, object], error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        queue(tmp_path, **own)
    assert error in str(caught.value)


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


def test_submits_each_market_separately(tmp_path: Path) -> None:
    made = queue(tmp_path, market="spot, on-demand", spot_price=0.5)
    shapes = (Shape("ami-1", "m5.large", spot=True), Shape("ami-1", "m5.large"), Shape("ami-1", "m5.large", spot=True))
    plan = made.batchsubmit.plan(Ask(3, shapes), BatchStatus(), Memory(), NOW)
    submits = [action for action in plan.actions if isinstance(action, Submit)]
    assert [(action.n, {shape.spot for shape in action.shapes}) for action in submits] == [(2, {True}), (1, {False})]
    submits_lines = [commands(made.batchsubmit.submission(a.n, a.shapes, submit_tools(tmp_path))) for a in submits]
    assert ["InstanceMarketOptions" in lines["ec2_parameter_names"] for lines in submits_lines] == [True, False]
    with pytest.raises(ValueError, match="together"):
        made.batchsubmit.submission(3, shapes, submit_tools(tmp_path))


BOTH = {"market": "spot, on-demand", "spot_price": 0.2}
ONE: dict[str, object] = {"instance_type": "m5.2xlarge", **BOTH}
PRICED = {"price_m5.large": 0.096, "price_m5.2xlarge": 0.384}


@pytest.mark.parametrize(
    ("own", "spot"),
    [
        ({**TWO, **BOTH, **PRICED}, 10),
        ({**TWO, **BOTH}, 10),
        (ONE, 10),
        ({**ONE, "price_m5.2xlarge": 0.2}, 10),
        ({**ONE, "price_m5.2xlarge": 0.384}, 10),
        ({**ONE, "price_m5.2xlarge": 0.19}, 0),
        ({**TWO, **BOTH, **PRICED, "spotprice_m5.2xlarge": 0.385, "spotprice_m5.large": 0.097}, 0),
        ({**ONE, "availability_zone": "a, b"}, 10),
    ],
    ids=["on demand known", "nothing known", "spot known", "equal", "spot cheaper", "dearer", "both dearer", "zones"],
)
def test_buys_the_cheaper_market_and_spot_if_prices_are_unknown(
    tmp_path: Path, own: dict[str, object], spot: int
) -> None:
    jobs = [group("g", 1, 1000, 80)]
    purchase = buy(jobs, {"g": 80}, queue(tmp_path, **own).batchsubmit.offers({}), lambda _group, _shape: True)
    assert Counter(shape.spot for shape in purchase.shapes) == +Counter({True: spot, False: 10 - spot})


def test_buys_the_dearer_market_for_jobs_that_need_it(tmp_path: Path) -> None:
    jobs = [group("g", 1, 1000, 80), group("sure", 8, 1000, 3)]
    left = {each.key: each.count for each in jobs}
    offers = queue(tmp_path, **ONE).batchsubmit.offers({})
    purchase = buy(jobs, left, offers, lambda group, shape: group.key == "g" or not shape.endswith("/spot"))
    assert Counter(shape.spot for shape in purchase.shapes) == {True: 10, False: 3}


@pytest.mark.parametrize(
    ("own", "warned"),
    [
        ({**TWO, **BOTH, **PRICED}, "m5.large on the spot market, m5.2xlarge on the spot market"),
        ({**TWO, "price_m5.large": 0.096}, "m5.2xlarge on demand"),
        (ONE, "m5.2xlarge on demand"),
        ({**TWO}, None),
        ({**TWO, **PRICED}, None),
        ({**TWO, **BOTH, **PRICED, "spotprice_m5.2xlarge": 0.1, "spotprice_m5.large": 0.03}, None),
    ],
)
def test_check_warns_if_only_some_prices_are_known(tmp_path: Path, own: dict[str, object], warned: str | None) -> None:
    for chain in ("Fit, MaxToRun", "Ready"):
        keys = {**VMS, **{f"batchsubmit.condorec2.{key}": value for key, value in own.items()}, "schedplugin": chain}
        found = [each for each in make_queue(tmp_path, keys).batchsubmit.check() if "no price" in each.text]
        if warned is None or chain == "Ready":
            assert found == []
        else:
            (finding,) = found
            assert (finding.severity, finding.section) == ("warning", "Q")
            assert f"no price is known for {warned}: " in finding.text


def test_table_has_cores_memory_and_gpus() -> None:
    gpus = room("g4dn.12xlarge", 10)
    assert gpus is not None
    assert (gpus.cpus, gpus.gpus) == (48, 4)
    assert room("no.such", 10) is None


def test_table_is_made_from_the_answer_of_the_cloud() -> None:
    described = [
        {"InstanceType": "b", "VCpuInfo": {"DefaultVCpus": 2}, "MemoryInfo": {"SizeInMiB": 8192}},
        {
            "InstanceType": "a", "VCpuInfo": {"DefaultVCpus": 4}, "MemoryInfo": {"SizeInMiB": 1},
            "GpuInfo": {"Gpus": [{"Count": 2}, {"Count": 1}]},
        },
    ]  # fmt: skip
    assert sizes(described) == {"a": (4, 1, 3), "b": (2, 8192, 0)}
