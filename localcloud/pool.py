"""A personal HTCondor pool in a box: central manager, schedd and gridmanager of the user who starts it, no startd.

For the demo, for tests, and to try a ``queues.conf``; the startds come from a cloud.
"""

import getpass
import json
import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from localcloud.installation import installed_parts
from localcloud.poolconfig import pool_config
from localcloud.wait import until

DOMAIN = "pool.test"


class CommandFailed(RuntimeError):
    """An HTCondor tool exited with a failure."""


class PoolFailed(RuntimeError):
    """The pool did not start, or has ended by itself."""


class Pool:
    """A pool from ``start`` (or ``with``) to ``stop``; ``config`` is added at the end of its configuration."""

    def __init__(self, directory: Path, config: str = "", name: str = "test@pool") -> None:
        self.directory = directory
        self.name = name
        self.port = _free_port()
        self._extra = config
        self._master: subprocess.Popen[bytes] | None = None

    @property
    def user(self) -> str:
        """The identity of the user, the daemons and the tokens."""
        return f"{getpass.getuser()}@{DOMAIN}"

    @property
    def address(self) -> str:
        """The collector, for COLLECTOR_HOST in a VM's configuration."""
        return f"127.0.0.1:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        """The environment in which HTCondor's tools and bindings talk to this pool."""
        return {**os.environ, "CONDOR_CONFIG": str(self.directory / "condor_config")}

    @property
    def log(self) -> Path:
        """Directory of the daemons' logs."""
        return self.directory / "log"

    def start(self, timeout_s: float = 30.0) -> None:
        """Start the daemons; returns when the schedd and the negotiator are in the collector."""
        for name in ("config.d", "log", "lock", "run", "spool", "execute", "passwords.d", "tokens.d"):
            (self.directory / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        config = pool_config(self.directory, self.port, self.name, DOMAIN, installed_parts(), self._extra)
        (self.directory / "condor_config").write_text(config)
        with open(self.log / "console", "ab") as console:
            self._master = subprocess.Popen(
                ["condor_master", "-f"],
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                process_group=0,  # Ctrl-C is for who started the pool, and who ends it in order
            )
        self.wait_ready(timeout_s)

    def wait_ready(self, timeout_s: float = 30.0) -> None:
        """Wait until collector, negotiator and schedd answer."""

        def ready() -> bool:
            if self._master is not None and self._master.poll() is not None:
                raise PoolFailed(f"condor_master ended with status {self._master.returncode}, see {self.log}")
            seen = self.run("condor_status", "-any", "-af", "MyType", check=False).split()
            return {"Scheduler", "Negotiator"} <= set(seen)

        until(ready, "the pool is ready", timeout_s)

    def run(
        self, tool: str, *arguments: str, stdin: str | None = None, check: bool = True, timeout_s: float = 60
    ) -> str:
        """Run a tool against this pool and return what it prints. Raises CommandFailed unless ``check`` is off."""
        done = subprocess.run(
            [tool, *arguments],
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode != 0:
            raise CommandFailed(f"{tool} {' '.join(arguments)}: status {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def submit(self, description: Mapping[str, object] | str, count: int = 1) -> int:
        """Submit jobs; returns the cluster id."""
        if not isinstance(description, str):
            description = "".join(f"{key} = {value}\n" for key, value in description.items()) + f"queue {count}\n"
        printed = self.run("condor_submit", "-terse", "-", stdin=description)
        return int(printed.split(".")[0])

    def jobs(self, constraint: str = "true", *attributes: str) -> list[dict[str, Any]]:
        """Ads of the jobs in the queue."""
        projection = ["-attributes", ",".join(attributes)] if attributes else []
        return _ads(self.run("condor_q", "-all", "-constraint", constraint, "-json", *projection))

    def history(self, constraint: str = "true") -> list[dict[str, Any]]:
        """Ads of the jobs that have left the queue."""
        return _ads(self.run("condor_history", "-constraint", constraint, "-json"))

    def slots(self, constraint: str = "true") -> list[dict[str, Any]]:
        """Ads of the startds' slots."""
        return _ads(self.run("condor_status", "-constraint", constraint, "-json"))

    def masters(self, constraint: str = "true") -> list[dict[str, Any]]:
        """Ads of the masters, the pool's own among them."""
        return _ads(self.run("condor_status", "-master", "-constraint", constraint, "-json"))

    def stop(self, timeout_s: float = 20.0) -> None:
        """End all daemons, fast; kills what does not go within ``timeout_s``."""
        if self._master is None:
            return
        self._master.send_signal(signal.SIGQUIT)
        try:
            self._master.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._master.kill()
            self._master.wait()
        self._master = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _ads(text: str) -> list[dict[str, Any]]:
    ads: list[dict[str, Any]] = json.loads(text or "[]")
    return ads


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
