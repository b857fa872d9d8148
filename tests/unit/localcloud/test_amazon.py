"""Corrections of moto's differences from EC2."""

import base64
import io
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode

import pytest

from localcloud.amazon import adapt, dress, one_based, refusal
from localcloud.query import ApiRequest, ApiResponse, error, read_request
from localcloud.tokens import ClientTokens

SIGNED = "AWS4-HMAC-SHA256 Credential=AKIA1/20260101/eu-west-1/ec2/aws4_request, SignedHeaders=host, Signature=0"


def request(action: str, **params: str) -> ApiRequest:
    return read(urlencode({"Action": action} | params))


def read(body: str, **environ: str) -> ApiRequest:
    headers = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "CONTENT_TYPE": "application/x-www-form-urlencoded; charset=utf-8",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_AUTHORIZATION": SIGNED,
    }
    return read_request(headers | environ | {"wsgi.input": io.BytesIO(body.encode())})


def dotted(params: Mapping[str, str]) -> dict[str, str]:
    return {key.replace("_", "."): value for key, value in params.items()}


def test_request_has_action_service_region_and_key() -> None:
    read_back = request("RunInstances", ImageId="ami-1")
    assert (read_back.action, read_back.service, read_back.region) == ("RunInstances", "ec2", "eu-west-1")
    assert read_back.access_key == "AKIA1"
    assert read_back.params["ImageId"] == "ami-1"
    assert not read_back.changes_nothing


def test_unsigned_request_has_no_access_key() -> None:
    assert read("Action=RunInstances", HTTP_AUTHORIZATION="").access_key is None


def test_reads_parameters_from_the_query_string() -> None:
    assert read("", QUERY_STRING="Action=DescribeInstances").action == "DescribeInstances"


def test_repr_of_a_request_hides_its_parameters() -> None:
    assert "s3cret" not in repr(request("RunInstances", UserData="s3cret"))


def test_lists_numbered_from_zero_are_renumbered_from_one() -> None:
    zero = dotted({"ResourceId_0": "i-1", "Tag_0_Key": "a", "Tag_0_Value": "b", "Tag_1_Key": "c", "Other_0": "x"})
    one = dotted({"ResourceId_1": "i-1", "Tag_1_Key": "a", "Tag_1_Value": "b", "Tag_2_Key": "c", "Other_0": "x"})
    assert one_based(zero, ("ResourceId", "Tag")) == one
    assert one_based({k: v for k, v in one.items() if k != "Other.0"}, ("ResourceId", "Tag")) == {
        k: v for k, v in one.items() if k != "Other.0"
    }


@pytest.mark.parametrize(
    ("action", "params", "changed"),
    [
        ("CreateTags", {"ResourceId.0": "i-1"}, {"ResourceId.1": "i-1"}),
        ("DescribeInstances", {}, {"MaxResults": "1000000"}),
        ("DescribeInstances", {"MaxResults": "5"}, {"MaxResults": "5"}),
        ("DescribeInstances", {"InstanceId.1": "i-1"}, {"InstanceId.1": "i-1"}),
        ("RunInstances", {"MinCount": "1", "MaxCount": "3"}, {"MinCount": "3", "MaxCount": "3"}),
        ("DescribeKeyPairs", {}, {}),
    ],
)
def test_adapts_requests_for_moto(action: str, params: dict[str, str], changed: dict[str, str]) -> None:
    adapted = adapt(request(action, **params))
    assert dict(adapted.params) == {"Action": action} | changed
    assert dict(parse_qsl(adapted.body.decode())) == {"Action": action} | changed


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, None),
        ({"InstanceType": "m5.large"}, None),
        ({"InstanceType": "m5.gigantic"}, b"InvalidParameterValue"),
        ({"UserData": base64.b64encode(b"x" * 16384).decode()}, None),
        ({"UserData": base64.b64encode(b"x" * 16385).decode()}, b"InvalidParameterValue"),
        ({"UserData": "a"}, b"InvalidUserData.Malformed"),
    ],
)
def test_refuses_launches_that_ec2_refuses(params: dict[str, str], code: bytes | None) -> None:
    for action, prefix in (("RunInstances", ""), ("RequestSpotInstances", "LaunchSpecification.")):
        answer = refusal(request(action, **{prefix + key: value for key, value in params.items()}))
        if code is None:
            assert answer is None
        else:
            assert answer is not None
            assert answer.status == 400
            assert b"<Error><Code>" + code + b"</Code>" in answer.body


def test_response_gets_amazons_server_header_and_prolog() -> None:
    moto = ApiResponse(200, b'<?xml version="1.0" encoding="utf-8"?>\n<A/>', (("server", "amazon.com"), ("X", "y")))
    dressed = dress(moto)
    assert dressed.body == b'<?xml version="1.0" encoding="UTF-8"?>\n<A/>'
    assert dressed.headers == (("X", "y"), ("Server", "AmazonEC2"))


@pytest.mark.parametrize("body", [b"", b'{"encoding": "utf-8"}', b"<A/>"])
def test_response_without_prolog_keeps_its_body(body: bytes) -> None:
    assert dress(ApiResponse(200, body)).body == body


def test_error_has_the_format_that_ec2_gahp_searches_for() -> None:
    answer = error(503, "RequestLimitExceeded", "slow <down>")
    assert b"<Error><Code>RequestLimitExceeded</Code>" in answer.body
    assert b"slow &lt;down&gt;" in answer.body


def test_client_token_returns_the_response_of_its_launch() -> None:
    tokens = ClientTokens()
    launch = request("RunInstances", ClientToken="t", ImageId="ami-1")
    answer = ApiResponse(200, b"launched")
    assert tokens.recall(launch) is None
    tokens.remember(launch, answer)
    assert tokens.recall(launch) == answer
    other = tokens.recall(request("RunInstances", ClientToken="t", ImageId="ami-2"))
    assert other is not None
    assert b"IdempotentParameterMismatch" in other.body
    assert tokens.recall(request("RunInstances", ClientToken="u", ImageId="ami-1")) is None


def test_launch_that_failed_or_has_no_token_is_not_remembered() -> None:
    tokens = ClientTokens()
    failed = request("RunInstances", ClientToken="t")
    tokens.remember(failed, ApiResponse(500, b""))
    assert tokens.recall(failed) is None
    nameless = request("RunInstances")
    tokens.remember(nameless, ApiResponse(200, b""))
    assert tokens.recall(nameless) is None
