"""Verification of AWS Signature Version 4.

The algorithm is AWS's "Create a signed AWS API request". It covers signatures in headers for the path ``/``, which
ec2_gahp and boto3 use for EC2 and for all services without resources in their paths.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/,\s]+)/(?P<scope>(?P<date>\d+)/(?P<region>[^/]+)/(?P<service>[^/]+)"
    r"/aws4_request),\s*SignedHeaders=(?P<headers>[^,\s]+),\s*Signature=(?P<signature>[0-9a-f]+)"
)


def signed_with(secret_key: str, environ: Mapping[str, Any], body: bytes) -> bool:
    """True if the WSGI request ``environ`` with this body is signed with ``secret_key``."""
    claimed = _AUTHORIZATION.fullmatch(environ.get("HTTP_AUTHORIZATION", ""))
    if claimed is None:
        return False
    names = claimed["headers"].split(";")
    headers = "".join(f"{name}:{_header(environ, name)}\n" for name in names)
    payload = _header(environ, "x-amz-content-sha256") or hashlib.sha256(body).hexdigest()
    canonical = "\n".join((environ["REQUEST_METHOD"], "/", _query(environ), headers, claimed["headers"], payload))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join(("AWS4-HMAC-SHA256", _header(environ, "x-amz-date"), claimed["scope"], digest))
    key = f"AWS4{secret_key}".encode()
    for part in (claimed["date"], claimed["region"], claimed["service"], "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(hmac.digest(key, to_sign.encode(), "sha256").hex(), claimed["signature"])


def _header(environ: Mapping[str, Any], name: str) -> str:
    variable = name.upper().replace("-", "_")
    plain = ("CONTENT_TYPE", "CONTENT_LENGTH")
    value = environ.get(variable if variable in plain else f"HTTP_{variable}", "")
    return " ".join(str(value).split())


def _query(environ: Mapping[str, Any]) -> str:
    pairs = sorted(
        (quote(key, safe="-_.~"), quote(value, safe="-_.~"))
        for key, value in parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    )
    return "&".join(f"{key}={value}" for key, value in pairs)
