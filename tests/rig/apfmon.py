"""The monitor of AutoPyFactory for tests: it registers factories, labels and jobs, and takes status messages."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, unquote

from tests.rig.httpserver import HttpServer, Reply, Request, as_json


class ApfMon(HttpServer):
    """Keeps what it is told."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port=port)
        self.url = self.base + "/api"
        self.factories: dict[str, Any] = {}
        self.labels: dict[str, Any] = {}
        """By ``factory:label``."""
        self.jobs: list[Any] = []
        self.messages: list[tuple[str, str]] = []
        """``factory:label`` and text."""

    def answer(self, request: Request) -> Reply:
        """As the monitor does: 201 for what is new."""
        _, kind, *name = unquote(request.path.removeprefix("/api")).split("/", 2)
        if request.method == "PUT" and kind == "factories":
            self.factories[name[0]] = request.json
        elif request.method == "PUT" and kind == "labels":
            self.labels |= {f"{label['factory']}:{label['name']}": label for label in request.json}
        elif request.method == "PUT" and kind == "jobs":
            self.jobs += request.json
        elif request.method == "POST" and kind == "labels":
            if name[0] not in self.labels:
                return Reply(b"no such label", 404)
            self.messages.append((name[0], parse_qs(request.body.decode())["status"][0]))
        elif request.method == "GET" and kind == "labels":
            return as_json(list(self.labels.values()))
        else:
            return Reply(b"", 400)
        return Reply(b"", 201)
