"""Verification of signatures that botocore makes."""

from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from localcloud.signature import signed_with

BODY = b"Action=DescribeInstances"


@pytest.fixture(params=["", "?Action=DescribeRegions&Filter=a%2Fb&Empty="])
def environ(request: pytest.FixtureRequest) -> dict[str, Any]:
    """A request signed by botocore with the secret key ``right``."""
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8", "X-Amz-Meta": "two   blanks"}
    url = f"http://ec2.us-east-1.localhost:5000/{request.param}"
    signed = AWSRequest("POST", url, data=BODY, headers=headers)
    SigV4Auth(Credentials("AKIA1", "right"), "ec2", "us-east-1").add_auth(signed)
    environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in signed.headers.items()}
    return environ | {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "QUERY_STRING": request.param.removeprefix("?"),
        "HTTP_HOST": "ec2.us-east-1.localhost:5000",
        "CONTENT_TYPE": headers["Content-Type"],
    }


def test_accepts_a_signature_made_with_the_secret_key(environ: dict[str, Any]) -> None:
    assert signed_with("right", environ, BODY)


def test_rejects_another_key_body_or_date(environ: dict[str, Any]) -> None:
    assert not signed_with("wrong", environ, BODY)
    assert not signed_with("right", environ, BODY + b"&DryRun=true")
    assert not signed_with("right", environ | {"HTTP_X_AMZ_DATE": "20260101T000000Z"}, BODY)


@pytest.mark.parametrize("authorization", ["", "AWS4-HMAC-SHA256 nonsense", "Basic AKIA1:right"])
def test_rejects_a_missing_or_malformed_signature(environ: dict[str, Any], authorization: str) -> None:
    assert not signed_with("right", environ | {"HTTP_AUTHORIZATION": authorization}, BODY)
