"""HTTP(S) server for the demo and for tests that records requests and can send faulty replies."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Request:
    """One HTTP request."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """One HTTP reply, and its faults."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    after_s: float = 0
    """Delay before the first byte."""
    byte_s: float = 0
    """Delay after each byte of the body."""
    promised: int | None = None
    """Content-Length to send instead of the true one; the connection closes where the body ends."""
    repeat: int = 1
    """Number of times that the body is sent."""


Answer = Callable[[Request], Reply]


class HttpServer:
    """HTTP server on a port of the loopback, up within ``with``. Subclasses implement ``answer``."""

    def __init__(self, context: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.requests: list[Request] = []
        self.faults: dict[str, Reply] = {}
        """Replies that replace those of ``answer``, by a part of the path."""
        self._ending = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def _any(self) -> None:
                server.serve(self)

            do_GET = do_PUT = do_POST = _any  # noqa: N815

            def log_message(self, *args: object) -> None:
                """Log nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *args: object) -> None:
                """Ignore errors of a connection, such as a client that closed it."""

        self._server = Server(("127.0.0.1", port), Handler)
        self.port: int = self._server.server_address[1]
        self.base = f"{'https' if context else 'http'}://localhost:{self.port}"
        if context is not None:
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def answer(self, request: Request) -> Reply:
        """Return the reply to a request."""
        raise NotImplementedError

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        """Serve one request."""
        parts = urlsplit(handler.path)
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        request = Request(
            handler.command, parts.path, dict(parse_qsl(parts.query)), dict(handler.headers.items()), body
        )
        self.requests.append(request)
        reply = next((fault for part, fault in self.faults.items() if part in parts.path), None)
        if reply is None:
            reply = self.answer(request)
        self._ending.wait(reply.after_s)
        handler.send_response(reply.status)
        length = reply.promised if reply.promised is not None else len(reply.body) * reply.repeat
        for name, value in {"Content-Length": str(length), "Connection": "close", **reply.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.close_connection = True
        if reply.byte_s:
            for byte in reply.body:
                handler.wfile.write(bytes([byte]))
                self._ending.wait(reply.byte_s)
        else:
            for _ in range(reply.repeat):
                handler.wfile.write(reply.body)

    def paths(self, method: str = "GET") -> list[str]:
        """Return the paths requested with this method, in order."""
        return [request.path for request in self.requests if request.method == method]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def as_json(value: object, content_type: str = "application/json") -> Reply:
    """Return a JSON reply."""
    return Reply(json.dumps(value).encode(), headers={"Content-Type": content_type})


def free_port_nobody_listens_on() -> int:
    """Return a port that refuses connections."""
    with HttpServer() as server:
        pass
    return server.port
