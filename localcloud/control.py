"""The control route ``/_localcloud/``, by which tests and the demo steer the cloud. Loopback only.

* ``GET instances``: every machine ever launched, with its state, history and process;
* ``GET requests``: number of requests by action and status;
* ``POST outage`` ``{"seconds": S}``: close every API connection without a response for S seconds; 0 ends an outage;
* ``POST end`` ``{"instance": ID, "code": C, "message": M}``: terminate a machine as the cloud itself does;
* ``POST crash`` ``{"instance": ID}``: kill all processes of a machine while the API shows it as running.
"""

import ipaddress
import json
import time
from collections.abc import Iterable
from typing import Any

from localcloud.api import Api, StartResponse
from localcloud.cloud import LocalCloud
from localcloud.machine import LocalMachine, Reason

PREFIX = "/_localcloud/"


class Control:
    """WSGI application that serves the control route and passes all other requests to the API."""

    def __init__(self, cloud: LocalCloud, api: Api) -> None:
        self._cloud = cloud
        self._api = api

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path: str = environ.get("PATH_INFO", "")
        if not path.startswith(PREFIX):
            return self._api(environ, start_response)
        if not ipaddress.ip_address(environ["REMOTE_ADDR"]).is_loopback:
            status, answer = 403, {"error": "loopback only"}
        else:
            length = int(environ.get("CONTENT_LENGTH") or 0)
            body = json.loads(environ["wsgi.input"].read(length)) if length else {}
            status, answer = self._do(environ["REQUEST_METHOD"], path.removeprefix(PREFIX), body)
        start_response(f"{status} -", [("Content-Type", "application/json")])
        return [json.dumps(answer).encode()]

    def _do(self, method: str, name: str, body: dict[str, Any]) -> tuple[int, Any]:
        match method, name:
            case "GET", "instances":
                with self._cloud.lock:
                    return 200, [_described(machine) for machine in self._cloud.machines.values()]
            case "GET", "requests":
                counts = [
                    {"action": action, "status": status, "count": count}
                    for (action, status), count in sorted(self._api.requests.copy().items())
                ]
                return 200, counts
            case "POST", "outage":
                self._api.down_until = time.time() + float(body["seconds"])
                return 200, {"until": self._api.down_until}
            case "POST", ("end" | "crash"):
                try:
                    if name == "end":
                        self._cloud.end(body["instance"], Reason(body["code"], body.get("message", body["code"])))
                    else:
                        self._cloud.crash(body["instance"])
                except KeyError as missing:
                    return 404, {"error": f"no {missing}"}
                return 200, {}
        return 404, {"error": f"no {method} {name}"}


def _described(machine: LocalMachine) -> dict[str, Any]:
    facts = machine.facts
    return {
        "id": facts.instance_id,
        "state": machine.state,
        "reason": machine.reason.code if machine.reason else None,
        "history": [[state, epoch] for state, epoch in machine.history],
        "type": facts.instance_type,
        "image": facts.image_id,
        "region": facts.region,
        "zone": facts.zone,
        "spot": facts.spot,
        "tags": dict(facts.tags),
        "client_token": facts.client_token,
        "hostname": facts.hostname,
        "directory": str(machine.directory),
        "visible": machine.visible,
        "boots": machine.boots,
        "pid": machine.pid,
    }
