"""Requests and responses of the EC2 Query API."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode
from xml.sax.saxutils import escape

_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d+/([^/]+)/([^/]+)/aws4_request")


@dataclass(frozen=True)
class ApiRequest:
    """One request. ``params`` is empty for services that do not use the Query API."""

    method: str
    path: str
    action: str
    service: str
    region: str
    access_key: str | None
    params: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    environ: Mapping[str, Any] = field(repr=False)
    """The WSGI environment; its body has been read."""

    @property
    def is_ec2(self) -> bool:
        """True if the scope of the signature names EC2."""
        return self.service == "ec2"

    @property
    def changes_nothing(self) -> bool:
        """True if the action only reads, so that it cannot start or end an instance."""
        return self.action.startswith(("Describe", "Get", "List"))


@dataclass(frozen=True)
class ApiResponse:
    """One response."""

    status: int
    body: bytes = field(repr=False)
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/xml;charset=UTF-8"),)


def read_request(environ: Mapping[str, Any]) -> ApiRequest:
    """Read a request and its body from a WSGI environment."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body: bytes = environ["wsgi.input"].read(length) if length else b""
    params = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        params |= parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
    scope = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    access_key, region, service = scope.groups() if scope else (None, "", "")
    action = params.get("Action") or environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
    return ApiRequest(
        method=environ["REQUEST_METHOD"],
        path=environ.get("PATH_INFO", "/"),
        action=action or environ["REQUEST_METHOD"],
        service=service,
        region=region,
        access_key=access_key,
        params=params,
        body=body,
        environ=environ,
    )


def encode(params: Mapping[str, str]) -> bytes:
    """Encode parameters as the body of a Query API request."""
    return urlencode(params).encode()


def error(status: int, code: str, message: str) -> ApiResponse:
    """Return an error response in EC2's format. ec2_gahp searches it for the literal ``<Error><Code>…``."""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error>'
        f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error></Errors>"
        f"<RequestID>{uuid.uuid4()}</RequestID></Response>"
    )
    return ApiResponse(status, body.encode())


def success(action: str, inner_xml: str) -> ApiResponse:
    """Return a successful EC2 response that contains ``inner_xml``."""
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
        f"<requestId>{uuid.uuid4()}</requestId>{inner_xml}</{action}Response>"
    )
    return ApiResponse(200, body.encode())
