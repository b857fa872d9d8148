"""The EC2 API: a WSGI application that passes each request through the hooks to moto."""

import base64
import io
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from xml.sax.saxutils import escape

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from localcloud import amazon
from localcloud.boot import Console
from localcloud.cloud import LocalCloud
from localcloud.machine import Flavour
from localcloud.query import ApiRequest, ApiResponse, error, read_request, success
from localcloud.seam import Drop, Seam
from localcloud.signature import signed_with
from localcloud.tokens import ClientTokens

log = logging.getLogger(__name__)

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class Api:
    """WSGI application of the cloud's API. ``secret_keys`` maps each accepted access key id to its secret."""

    def __init__(self, cloud: LocalCloud, seam: Seam, secret_keys: Mapping[str, str]) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        """Number of requests by action and HTTP status; status 0 is a connection closed without a response."""
        self.down_until = 0.0
        """End of an outage (epoch); no request gets a response before it."""
        self._cloud = cloud
        self._secret_keys = secret_keys
        self._tokens = ClientTokens()
        self._descriptions: dict[tuple[str, bytes], tuple[int, ApiResponse]] = {}
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._answer = seam.wrap(self._serve)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        started = time.monotonic()
        request = read_request(environ)
        try:
            response = self._answer(request) if time.time() >= self.down_until else None
        except Drop:
            response = None
        if response is None:
            self._note(request, 0, started)
            raise ConnectionAbortedError("dropped on purpose")  # makes the server close the connection
        self._note(request, response.status, started)
        headers = [(name, value) for name, value in response.headers if name.lower() != "content-length"]
        start_response(f"{response.status} -", [*headers, ("Content-Length", str(len(response.body)))])
        return [response.body]

    def _note(self, request: ApiRequest, status: int, started: float) -> None:
        self.requests[request.action, status] += 1
        elapsed_ms = 1000 * (time.monotonic() - started)
        log.info("request service=%s action=%s status=%d ms=%.0f", request.service, request.action, status, elapsed_ms)

    def _serve(self, request: ApiRequest) -> ApiResponse:
        """Answer a request, without hooks."""
        dressed = self._cloud.settings.flavour is Flavour.AMAZON
        if not self._known(request):
            response = error(401, "AuthFailure", "AWS was not able to validate the provided access credentials")
        elif request.is_ec2:
            response = self._ec2(request)
        else:
            response = self._ask_moto(request)
        return amazon.dress(response) if dressed else response

    def _known(self, request: ApiRequest) -> bool:
        """True if the request is signed with a known key pair."""
        secret_key = self._secret_keys.get(request.access_key or "")
        return secret_key is not None and (
            request.path != "/" or signed_with(secret_key, request.environ, request.body)
        )

    def _ec2(self, request: ApiRequest) -> ApiResponse:
        if request.action == "GetConsoleOutput":
            return self._console_output(request)
        refusal = amazon.refusal(request)
        if refusal is not None:
            return refusal
        idempotent = request.action == "RunInstances" and self._cloud.settings.flavour is Flavour.AMAZON
        with self._cloud.lock:
            if request.action == "DescribeInstances":
                return self._described(request)
            response = self._tokens.recall(request) if idempotent else None
            if response is None:
                response = self._ask_moto(amazon.adapt(request))
                if idempotent:
                    self._tokens.remember(request, response)
        return response

    def _described(self, request: ApiRequest) -> ApiResponse:
        """Answer DescribeInstances from a cache, as moto needs 3 ms per instance; any change invalidates it."""
        key = request.region, request.body
        answered_at, response = self._descriptions.get(key, (-1, None))
        if response is None or answered_at != self._cloud.changes:
            response = self._ask_moto(amazon.adapt(request))
            self._descriptions[key] = self._cloud.changes, response
        return response

    def _ask_moto(self, request: ApiRequest) -> ApiResponse:
        """Let moto answer, then apply the changes of its instances to the machines."""
        environ = dict(request.environ)
        environ["wsgi.input"] = io.BytesIO(request.body)
        environ["CONTENT_LENGTH"] = str(len(request.body))
        status: list[str] = []
        headers: list[tuple[str, str]] = []

        def start_response(line: str, fields: list[tuple[str, str]], _: Any = None) -> Callable[[bytes], object]:
            status.append(line)
            headers.extend(fields)
            return lambda data: None

        with self._cloud.lock:
            body = b"".join(self._moto(environ, start_response))
            if not request.changes_nothing:
                self._cloud.reconcile()
        return ApiResponse(int(status[0].split()[0]), body, tuple(headers))

    def _console_output(self, request: ApiRequest) -> ApiResponse:
        instance_id = request.params.get("InstanceId", "")
        machine = self._cloud.machines.get(instance_id)
        if machine is None or not machine.visible:
            return error(400, "InvalidInstanceID.NotFound", f"The instance ID '{instance_id}' does not exist")
        output = base64.b64encode(Console(machine.directory).read().encode()[-65536:]).decode()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        fields = {"instanceId": instance_id, "timestamp": stamp, "output": output}
        return success(request.action, "".join(f"<{key}>{escape(text)}</{key}>" for key, text in fields.items()))
