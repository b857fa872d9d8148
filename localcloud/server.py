"""The server: API and control route on one port, the cloud's event loop, and a clean shutdown on SIGTERM."""

import asyncio
import json
import logging
import os
import signal
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server

from localcloud.api import Api
from localcloud.cloud import LocalCloud
from localcloud.control import Control
from localcloud.installation import installed_parts
from localcloud.seam import Seam
from localcloud.settings import ACCESS_KEY, READY, SECRET_KEY, CloudSettings, url_of

log = logging.getLogger(__name__)


class _Handler(WSGIRequestHandler):
    """Request handler that leaves logging and the Server header to the API, which may drop a connection."""

    protocol_version = "HTTP/1.1"

    def connection_dropped(self, error: BaseException, environ: dict[str, Any] | None = None) -> None:
        """Close the connection, because the API raised ConnectionAbortedError or the client is gone."""
        self.close_connection = True

    def send_response(self, code: int, message: str | None = None) -> None:
        """Send the status line and the Date header."""
        self.send_response_only(code, message)
        self.send_header("Date", self.date_time_string())

    def log(self, *_: object) -> None:
        """Log nothing, since the API logs each request."""


async def serve_cloud(
    settings: CloudSettings, host: str, port: int, hooks: Iterable[str], secret_keys: Mapping[str, str]
) -> None:
    """Run a local cloud until SIGTERM or SIGINT; return when no process of a machine is left."""
    settings.directory.mkdir(parents=True, exist_ok=True)
    seam = Seam.load(hooks)
    cloud = LocalCloud(settings, seam, installed_parts())
    api = Api(cloud, seam, {ACCESS_KEY: SECRET_KEY, **secret_keys})
    server = make_server(host, port, Control(cloud, api), threaded=True, request_handler=_Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), name="api", daemon=True).start()
    stopping = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stopping.set)
    ready = _announce(settings, server.server_port)
    log.info("ready url=%s flavour=%s", url_of(server.server_port), settings.flavour)
    await stopping.wait()
    ready.unlink(missing_ok=True)
    server.shutdown()
    await cloud.close()
    log.info("stopped")


def _announce(settings: CloudSettings, port: int) -> Path:
    """Write the credentials, then the ready file, so that a reader of the ready file finds both."""
    keys = {"access_key_file": ACCESS_KEY, "secret_key_file": SECRET_KEY}
    files = {}
    for name, content in keys.items():
        path = settings.directory / name.removesuffix("_file")
        path.unlink(missing_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
            out.write(content + "\n")
        files[name] = str(path)
    about = {"url": url_of(port), "port": port, "pid": os.getpid(), "flavour": settings.flavour, **files}
    ready = settings.directory / READY
    scratch = ready.with_suffix(".new")
    scratch.write_text(json.dumps(about, indent=1) + "\n")
    scratch.replace(ready)
    return ready
