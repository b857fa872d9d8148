"""A local cloud as a child process, for tests, the demo and benchmarks."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from localcloud.settings import ACCESS_KEY, READY, SECRET_KEY
from localcloud.wait import until


class CloudFailed(RuntimeError):
    """The local cloud failed to start, or ended unexpectedly."""


class CloudProcess:
    """A local cloud that runs as a child process from ``start`` (or ``with``) to ``stop``.

    ``directory`` receives instances, credentials and the log; ``port`` 0 takes a free port.
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
        """Endpoint for ec2_gahp: ``grid_resource = ec2 URL``."""
        return str(self._about["url"])

    @property
    def endpoint_url(self) -> str:
        """Endpoint by address, for boto3 where ``*.localhost`` does not resolve."""
        return f"http://127.0.0.1:{self._about['port']}/"

    @property
    def access_key_file(self) -> Path:
        """File with the access key id, for ``ec2_access_key_id``."""
        return Path(self._about["access_key_file"])

    @property
    def secret_key_file(self) -> Path:
        """File with the secret key, for ``ec2_secret_access_key``."""
        return Path(self._about["secret_key_file"])

    @property
    def pid(self) -> int:
        """Process id of the cloud."""
        return int(self._about["pid"])

    @property
    def log(self) -> Path:
        """Log file of the cloud."""
        return self.directory / "localcloud.log"

    def start(self, timeout_s: float = 120.0) -> None:
        """Start the cloud and wait until its API answers. Raises CloudFailed."""
        ready = self.directory / READY
        self.directory.mkdir(parents=True, exist_ok=True)
        ready.unlink(missing_ok=True)
        with open(self.log, "ab") as log:
            self._child = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,  # Ctrl-C reaches only the process that started the cloud, which then stops it
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
        """End the cloud and its machines; kill it after ``timeout_s``."""
        if self._child is None:
            return
        self._child.terminate()
        try:
            self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
        self._child = None

    def kill(self) -> None:
        """Kill the cloud with SIGKILL; its machines die a moment later."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def client(
        self,
        service: str = "ec2",
        region: str = "us-east-1",
        access_key: str = ACCESS_KEY,
        secret_key: str = SECRET_KEY,
    ) -> Any:
        """Return a boto3 client of this cloud, without retries."""
        import boto3  # takes half a second, which not every caller needs
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
        """Return every instance ever launched, by id, as ``localcloud.control`` describes it."""
        return {machine["id"]: machine for machine in self._ask("instances")}

    def states(self) -> Counter[str]:
        """Return the number of instances in each state."""
        return Counter(machine["state"] for machine in self.instances().values())

    def requests(self) -> Counter[str]:
        """Return the number of API requests, by action."""
        counts: Counter[str] = Counter()
        for entry in self._ask("requests"):
            counts[entry["action"]] += entry["count"]
        return counts

    def outage(self, seconds: float) -> None:
        """Close every API connection without a response for ``seconds`` from now; 0 ends an outage."""
        self._ask("outage", {"seconds": seconds})

    def end(self, instance_id: str, code: str) -> None:
        """Terminate an instance as the cloud itself does, with ``code`` as its state reason."""
        self._ask("end", {"instance": instance_id, "code": code})

    def crash(self, instance_id: str) -> None:
        """Kill all processes of an instance while the API shows it as running."""
        self._ask("crash", {"instance": instance_id})

    def wait(self, condition: Callable[[dict[str, dict[str, Any]]], object], what: str, timeout_s: float = 30) -> None:
        """Wait until ``condition(instances())`` is true. Raises TimeoutError that names ``what``."""
        try:
            until(lambda: condition(self.instances()), what, timeout_s)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; instances: {dict(self.states())}") from None

    def _ask(self, name: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.endpoint_url}_localcloud/{name}", data)  # noqa: S310
        try:
            with _DIRECT.open(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise KeyError(json.load(error)["error"]) from None


_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opens URLs without a proxy, since the loopback is never behind one."""
