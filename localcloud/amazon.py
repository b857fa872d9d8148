"""Differences between moto and Amazon's EC2, corrected in requests and responses. Pure."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import replace

from localcloud.hardware import UnknownInstanceType, hardware
from localcloud.query import ApiRequest, ApiResponse, encode, error

USER_DATA_LIMIT = 16384
"""Maximum size of user-data in bytes, before base64 (EC2 User Guide, "Instance user data")."""

_EVERYTHING = "1000000"


def refusal(request: ApiRequest) -> ApiResponse | None:
    """Return the error with which EC2 refuses a launch that moto would accept; None if EC2 accepts it."""
    if request.action not in ("RunInstances", "RequestSpotInstances"):
        return None
    prefix = "LaunchSpecification." if request.action == "RequestSpotInstances" else ""
    user_data = request.params.get(f"{prefix}UserData", "")
    try:
        size = len(base64.b64decode(user_data))
    except binascii.Error:
        return error(400, "InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.")
    if size > USER_DATA_LIMIT:
        return error(400, "InvalidParameterValue", f"User data is limited to {USER_DATA_LIMIT} bytes")
    instance_type = request.params.get(f"{prefix}InstanceType")
    try:
        hardware(instance_type or "m1.small")
    except UnknownInstanceType:
        return error(400, "InvalidParameterValue", f"Invalid value '{instance_type}' for InstanceType.")
    return None


def adapt(request: ApiRequest) -> ApiRequest:
    """Rewrite a request so that moto treats it as EC2 treats the original."""
    params = dict(request.params)
    if request.action == "CreateTags":
        params = one_based(params, ("ResourceId", "Tag"))
    elif request.action == "DescribeInstances" and not any(name.startswith("InstanceId.") for name in params):
        # ec2_gahp does not paginate. Without MaxResults EC2 returns all instances, moto only the first hundred.
        params.setdefault("MaxResults", _EVERYTHING)
    elif request.action == "RunInstances":
        params["MinCount"] = params.get("MaxCount", params.get("MinCount", "1"))
    return request if params == request.params else replace(request, params=params, body=encode(params))


def one_based(params: Mapping[str, str], lists: tuple[str, ...]) -> dict[str, str]:
    """Renumber the given list parameters from one where they start at zero (ec2_gahp starts at zero)."""
    zero_based = {name for name in lists if any(re.match(rf"{name}\.0(\.|$)", key) for key in params)}

    def shifted(key: str) -> str:
        name, _, rest = key.partition(".")
        number, dot, rest = rest.partition(".")
        return f"{name}.{int(number) + 1}{dot}{rest}" if name in zero_based and number.isdigit() else key

    return {shifted(key): value for key, value in params.items()}


def dress(response: ApiResponse) -> ApiResponse:
    """Give a response Amazon's Server header and XML prolog, by which HTCondor recognises Amazon."""
    headers = tuple((name, value) for name, value in response.headers if name.lower() != "server")
    prolog, found, rest = response.body.partition(b"?>")
    if found and prolog.startswith(b"<?xml"):
        prolog = prolog.replace(b'encoding="utf-8"', b'encoding="UTF-8"')
    return ApiResponse(response.status, prolog + found + rest, (*headers, ("Server", "AmazonEC2")))
