"""A local cloud as a child process: what tests, the demo and benchmarks use."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from localcloud.address import ACCESS_KEY, READY, SECRET_KEY


class CloudFailed(RuntimeError):
    """The local cloud did not start, or has ended by itself."""


class CloudProcess:
    """A local cloud that runs as a child from ``start`` (or ``with``) to ``stop``.

    ``directory`` receives instances, credentials and the log; ``port`` 0 takes a free one.
    """

    def __init__(
        self,
        directory: Path,
        port: int = 0,
        flavour: str = "amazon",
        boot_delay_s: float = 1.0,
        shutdown_delay_s: float = 1.0,
        keep_terminated_s: float = 3600.0,
        hooks: Sequence[str] = (),
    ) -> None:
        self.directory = directory.resolve()
        self._command = [sys.executable, "-m", "localcloud", "--dir", str(self.directory), "--flavour", flavour]
        self._command += ["--port", str(port), "--boot-delay", str(boot_delay_s)]
        self._command += ["--shutdown-delay", str(shutdown_delay_s), "--keep-terminated", str(keep_terminated_s)]
        for hook in hooks:
            self._command += ["--hook", hook]
        self._child: subprocess.Popen[bytes] | None = None
        self._about: dict[str, Any] = {}

    @property
    def url(self) -> str:
        """The endpoint for ec2_gahp: ``grid_resource = ec2 URL``."""
        return str(self._about["url"])

    @property
    def endpoint_url(self) -> str:
        """The same endpoint by address, for boto3 where ``*.localhost`` does not resolve."""
        return f"http://127.0.0.1:{self._about['port']}/"

    @property
    def access_key_file(self) -> Path:
        """File with the access key id, as ``ec2_access_key_id`` wants it."""
        return Path(self._about["access_key_file"])

    @property
    def secret_key_file(self) -> Path:
        """File with the secret key, as ``ec2_secret_access_key`` wants it."""
        return Path(self._about["secret_key_file"])

    @property
    def pid(self) -> int:
        """Process id of the cloud."""
        return int(self._about["pid"])

    @property
    def log(self) -> Path:
        """The cloud's log."""
        return self.directory / "localcloud.log"

    def start(self, timeout_s: float = 30.0) -> None:
        """Start it and wait until its API answers. Raises CloudFailed."""
        ready = self.directory / READY
        self.directory.mkdir(parents=True, exist_ok=True)
        ready.unlink(missing_ok=True)
        with open(self.log, "ab") as log:
            self._child = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,  # Ctrl-C is for who started the cloud, and who ends it in order
            )
        deadline = time.monotonic() + timeout_s
        while not ready.exists():
            if self._child.poll() is not None:
                raise CloudFailed(f"the local cloud ended with status {self._child.returncode}, see {self.log}")
            if time.monotonic() > deadline:
                self.kill()
                raise CloudFailed(f"the local cloud was not ready within {timeout_s:.0f} s, see {self.log}")
            time.sleep(0.02)
        self._about = json.loads(ready.read_text())

    def stop(self, timeout_s: float = 30.0) -> None:
        """End it and everything it booted; kills it if that takes longer than ``timeout_s``."""
        if self._child is None:
            return
        self._child.terminate()
        try:
            self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
        self._child = None

    def kill(self) -> None:
        """Kill the cloud with SIGKILL; its machines die with it, a moment later."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def client(
        self,
        service: str = "ec2",
        region: str = "us-east-1",
        access_key: str = ACCESS_KEY,
        secret_key: str = SECRET_KEY,
    ) -> Any:
        """A boto3 client of this cloud, without retries."""
        import boto3  # costs half a second, and not every user needs it
        from botocore.config import Config

        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.endpoint_url,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            config=Config(retries={"total_max_attempts": 1}),
        )

    def instances(self) -> dict[str, dict[str, Any]]:
        """Every machine there was, by id, as ``localcloud.control`` describes it."""
        return {machine["id"]: machine for machine in self._ask("instances")}

    def states(self) -> Counter[str]:
        """How many machines are in each state."""
        return Counter(machine["state"] for machine in self.instances().values())

    def requests(self) -> Counter[str]:
        """How many requests came, by action."""
        counts: Counter[str] = Counter()
        for entry in self._ask("requests"):
            counts[entry["action"]] += entry["count"]
        return counts

    def outage(self, seconds: float) -> None:
        """Close every API connection without an answer for so long, from now; 0 ends an outage."""
        self._ask("outage", {"seconds": seconds})

    def end(self, instance_id: str, code: str) -> None:
        """Terminate a machine as the cloud itself would, with ``code`` as its state reason."""
        self._ask("end", {"instance": instance_id, "code": code})

    def crash(self, instance_id: str) -> None:
        """Let a machine crash: nothing on it runs any more, and the API still says that it does."""
        self._ask("crash", {"instance": instance_id})

    def wait(self, condition: Callable[[dict[str, dict[str, Any]]], object], what: str, timeout_s: float = 30) -> None:
        """Wait until ``condition(instances())`` is true. Raises TimeoutError, which says ``what`` was awaited."""
        deadline = time.monotonic() + timeout_s
        while not condition(self.instances()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: not within {timeout_s:.0f} s; machines: {dict(self.states())}")
            time.sleep(0.1)

    def _ask(self, name: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.endpoint_url}_localcloud/{name}", data)  # noqa: S310
        try:
            with _DIRECT.open(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise KeyError(json.load(error)["error"]) from None


_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Loopback is never behind a proxy."""
