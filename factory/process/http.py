"""One HTTP(S) call with limits on time and on the size of the answer, for plugins.

TLS certificates are verified. Redirects are not followed, so that no token goes to another server. Error messages
contain neither token nor key.
"""

from __future__ import annotations

import json
import ssl
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import urllib3

_CHUNK = 1 << 16


class HttpError(Exception):
    """A call failed; the message is the cause, in one line. The caller adds which call it was."""


def checked_url(url: str) -> str:
    """Return a base URL without a trailing slash.

    Raises:
        ValueError: it is not a base URL, or it contains a password.
    """
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise ValueError("is not a URL; write http:// or https:// and a host name")
    if "@" in parts.netloc:
        raise ValueError("contains a user name or password; use the settings for credentials instead")
    if parts.query or parts.fragment or any(character.isspace() for character in url):
        raise ValueError("is not a base URL: remove query, fragment and spaces")
    return url.rstrip("/")


@dataclass(frozen=True, kw_only=True)
class Access:
    """Credential files. They are read for each call, so that a renewed token or certificate is used at once."""

    cafile: Path | None = None
    """CA certificates instead of the system's: a file or a directory."""
    certificate: Path | None = None
    """Client certificate, in PEM."""
    key: Path | None = None
    """Key of the certificate; none: in the same file."""
    token: Path | None = None
    """File with a bearer token."""

    def __str__(self) -> str:
        return ", ".join(f"{name} {path}" for name, path in vars(self).items() if path is not None)

    def private(self) -> Self:
        """Check that other users can't read the secret files, and return the same object.

        Raises:
            HttpError: others can read one, or a file is missing.
        """
        for path in (self.key or self.certificate, self.token):
            try:
                mode = path.stat().st_mode if path else 0
            except OSError as error:
                raise HttpError(f"{path}: {error.strerror}") from None
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise HttpError(f"{path} can be read by others; run chmod 600 {path}")
        return self

    def headers(self) -> dict[str, str]:
        """Return the headers of each call."""
        if self.token is None:
            return {}
        try:
            token = self.token.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            raise HttpError(f"{self.token} contains no token") from None
        if not token or len(token.split()) != 1:
            raise HttpError(f"{self.token} contains no token")
        return {"Authorization": f"Bearer {token}"}

    def context(self) -> ssl.SSLContext:
        """Return the TLS context."""
        ca = self.cafile
        try:
            context = ssl.create_default_context(
                cafile=ca if ca and not ca.is_dir() else None, capath=ca if ca and ca.is_dir() else None
            )
        except (OSError, ssl.SSLError) as error:
            raise HttpError(f"{ca} contains no CA certificates ({_short(error)})") from None
        if self.certificate is not None:
            try:
                context.load_cert_chain(self.certificate, self.key, password="")
            except (OSError, ssl.SSLError, ValueError) as error:
                text = f"{self.certificate} contains no client certificate with key ({_short(error)})"
                raise HttpError(text) from None
        return context


def call(
    method: str,
    url: str,
    *,
    timeout_s: float,
    limit_bytes: int = 1 << 20,
    access: Access | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> bytes:
    """Make a call and return the body of the answer, which must have a status of 2xx.

    Raises:
        HttpError: there was no such answer within ``timeout_s`` and ``limit_bytes``.
    """
    access = (access or Access()).private()
    context = access.context() if url.startswith("https:") else None
    ends = time.monotonic() + timeout_s
    all_headers = {"Accept-Encoding": "identity", **(headers or {}), **access.headers()}
    with urllib3.PoolManager(1, retries=False, ssl_context=context) as http:
        try:
            response = http.request(
                method, url, body=body, headers=all_headers,
                redirect=False, preload_content=False, timeout=urllib3.Timeout(total=timeout_s),
            )  # fmt: skip
            try:
                if response.status // 100 != 2:
                    raise HttpError(f"status {response.status} {response.reason or ''}".rstrip())
                return _body(response, ends, timeout_s, limit_bytes)
            finally:
                response.close()
        except urllib3.exceptions.NewConnectionError as error:  # a timeout to urllib3, which it is not
            raise HttpError(_short(error)) from None
        except urllib3.exceptions.TimeoutError:
            raise HttpError(f"no answer within {timeout_s:.0f} s") from None
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise HttpError(_short(error)) from None


def _body(response: urllib3.BaseHTTPResponse, ends: float, timeout_s: float, limit_bytes: int) -> bytes:
    body = bytearray()
    while chunk := response.read1(_CHUNK, decode_content=False):
        body += chunk
        if len(body) > limit_bytes:
            raise HttpError(f"the answer is longer than {limit_bytes} bytes")
        if time.monotonic() > ends:
            raise HttpError(f"no complete answer within {timeout_s:.0f} s")
    return bytes(body)


def parse_json(body: bytes) -> Any:
    """Parse a JSON text.

    Raises:
        HttpError: it is not JSON.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise HttpError("the answer is not JSON") from None


def _short(error: BaseException) -> str:
    """Return an error as one line, without the connection object that urllib3 puts in front."""
    reason = getattr(error, "reason", None)
    text = " ".join(str(reason if isinstance(reason, Exception) else error).split())
    return text.rsplit(">: ", 1)[-1][:200] or type(error).__name__
