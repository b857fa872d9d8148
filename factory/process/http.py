"""One HTTP(S) call with limits: on time, on the size of the answer, and on what it may be.

For plugins whose service speaks HTTP. TLS certificates are verified, redirects are not followed (a token must
not travel on), and neither token nor key ever stands in an error message.
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
    """A call failed; the message says why, in one line. Which one it was, the caller knows."""


def checked_url(url: str) -> str:
    """A base URL without the slash at its end.

    Raises:
        ValueError: it is none, or carries a password.
    """
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        fine = False
    if not fine:
        raise ValueError("is no URL; it starts with http:// or https:// and names a host")
    if "@" in parts.netloc:
        raise ValueError("must carry no user name or password; there are settings for credentials")
    if parts.query or parts.fragment or any(character.isspace() for character in url):
        raise ValueError("is no base URL: it has a query, a fragment or spaces")
    return url.rstrip("/")


@dataclass(frozen=True, kw_only=True)
class Access:
    """How to get in: files that are read at each call, so that a renewed token or certificate counts at once."""

    cafile: Path | None = None
    """CA certificates in place of the system's, a file or a directory."""
    certificate: Path | None = None
    """Client certificate, in PEM."""
    key: Path | None = None
    """Its key; none: in the same file."""
    token: Path | None = None
    """File with a bearer token."""

    def __str__(self) -> str:
        return ", ".join(f"{name} {path}" for name, path in vars(self).items() if path is not None)

    def private(self) -> Self:
        """The same, once nobody else can read what is secret.

        Raises:
            HttpError: somebody can, or a file is missing.
        """
        for path in (self.key or self.certificate, self.token):
            try:
                mode = path.stat().st_mode if path else 0
            except OSError as error:
                raise HttpError(f"{path}: {error.strerror}") from None
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise HttpError(f"{path} can be read by others; chmod 600 it")
        return self

    def headers(self) -> dict[str, str]:
        """What goes with each call."""
        if self.token is None:
            return {}
        try:
            token = self.token.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            raise HttpError(f"{self.token}: no token in it") from None
        if not token or len(token.split()) != 1:
            raise HttpError(f"{self.token}: no token in it")
        return {"Authorization": f"Bearer {token}"}

    def context(self) -> ssl.SSLContext:
        """The TLS side."""
        ca = self.cafile
        try:
            context = ssl.create_default_context(
                cafile=ca if ca and not ca.is_dir() else None, capath=ca if ca and ca.is_dir() else None
            )
        except (OSError, ssl.SSLError) as error:
            raise HttpError(f"{ca}: no CA certificates in it ({_short(error)})") from None
        if self.certificate is not None:
            try:
                context.load_cert_chain(self.certificate, self.key, password="")
            except (OSError, ssl.SSLError, ValueError) as error:
                raise HttpError(f"{self.certificate}: no client certificate with key ({_short(error)})") from None
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
    """The body of an answer with status 2xx.

    Raises:
        HttpError: no such answer within ``timeout_s`` and ``limit_bytes``.
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
        except urllib3.exceptions.NewConnectionError as error:  # counts as a timeout in urllib3, and is none
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
            raise HttpError(f"no whole answer within {timeout_s:.0f} s")
    return bytes(body)


def parse_json(body: bytes) -> Any:
    """What a JSON text says.

    Raises:
        HttpError: it is none.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise HttpError("the answer is no JSON") from None


def _short(error: BaseException) -> str:
    """An error as one line. urllib3 puts the connection before what happened, which says nothing to a person."""
    reason = getattr(error, "reason", None)
    text = " ".join(str(reason if isinstance(reason, Exception) else error).split())
    return text.rsplit(">: ", 1)[-1][:200] or type(error).__name__
