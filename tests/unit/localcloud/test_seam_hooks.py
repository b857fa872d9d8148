"""Hooks of the seam, and the instance-data of a launch."""

import io
from dataclasses import replace

import pytest

from localcloud.instancedata import instance_data
from localcloud.machine import Facts, Flavour
from localcloud.query import ApiRequest, ApiResponse, read_request
from localcloud.seam import Boot, Forward, Seam

FACTS = Facts(
    instance_id="i-1",
    reservation_id="r-1",
    launch_index=0,
    image_id="ami-1",
    instance_type="m5.large",
    region="us-east-1",
    zone="us-east-1a",
    flavour=Flavour.AMAZON,
    spot=True,
    client_token="t",
    hostname="ip-10-0-0-1.ec2.internal",
    private_ip="10.0.0.1",
    public_hostname="",
    public_ip="",
    tags=(("apf:vm", "u"),),
    stops_itself=False,
    disk_gb=8,
    user_data=b"s3cret",
)


class Around:
    """Append a mark to requests on the way in and to responses on the way out."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def request(self, request: ApiRequest, forward: Forward) -> ApiResponse:
        answer = forward(replace(request, action=request.action + self.mark))
        return replace(answer, body=answer.body + self.mark.encode())

    def boot(self, boot: Boot) -> Boot:
        return replace(boot, wrapper=(*boot.wrapper, self.mark))


def echo(request: ApiRequest) -> ApiResponse:
    return ApiResponse(200, request.action.encode())


def test_first_hook_is_outermost() -> None:
    seam = Seam((Around("a"), Around("b")))
    request = read_request({"REQUEST_METHOD": "GET", "QUERY_STRING": "Action=X", "wsgi.input": io.BytesIO()})
    assert seam.wrap(echo)(request).body == b"Xabba"


def test_boot_passes_through_all_hooks() -> None:
    boot = Boot(FACTS, FACTS.user_data, 1.0)
    assert Seam((Around("a"), Around("b"))).boot(boot).wrapper == ("a", "b")
    assert Seam().boot(boot) == boot


def test_loads_hooks_by_name() -> None:
    assert [type(hook).__name__ for hook in Seam.load(["tests.cloud.hooks:NeverJoins"]).hooks] == ["NeverJoins"]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("no.such.module:X", ImportError),
        ("tests.cloud.hooks:Nothing", AttributeError),
        ("collections:OrderedDict", TypeError),
    ],
)
def test_bad_hook_name_raises(name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        Seam.load([name])


def test_repr_hides_user_data() -> None:
    assert "s3cret" not in repr(FACTS) + repr(Boot(FACTS, FACTS.user_data, 1.0))


def test_instance_data_has_the_keys_and_aliases_of_cloud_init() -> None:
    data = instance_data(FACTS)
    assert data["v1"]["instance_id"] == data["instance_id"] == "i-1"
    assert data["v1"]["local_hostname"] == "ip-10-0-0-1"
    assert (data["v1"]["availability_zone"], data["v1"]["region"]) == ("us-east-1a", "us-east-1")
    meta_data = data["ds"]["meta_data"]
    assert meta_data["instance-id"] == meta_data["instance_id"] == "i-1"
    assert meta_data["placement"]["availability_zone"] == "us-east-1a"
    assert meta_data["tags"]["instance"]["apf_vm"] == "u"
    assert instance_data(replace(FACTS, flavour=Flavour.OPENSTACK))["cloud_name"] == "openstack"
