"""A personal HTCondor pool without startds: collector, negotiator and schedd of the user who starts it.

The demo, the tests and experiments with a ``queues.conf`` use it. The startds come from a cloud.
"""

import getpass
import json
import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from localcloud.installation import installed_parts
from localcloud.poolconfig import pool_config
from localcloud.wait import until

DOMAIN = "pool.test"


class CommandFailed(RuntimeError):
    """An HTCondor tool exited with an error."""


class PoolFailed(RuntimeError):
    """The pool failed to start, or ended unexpectedly."""


class Pool:
    """A pool that runs from ``start`` (or ``with``) to ``stop``; ``config`` is appended to its configuration."""

    def __init__(self, directory: Path, config: str = "", name: str = "test@pool") -> None:
        self.directory = directory
        self.name = name
        self.port = _free_port()
        self._extra = config
        self._master: subprocess.Popen[bytes] | None = None

    @property
    def user(self) -> str:
        """Identity of the user, the daemons and the tokens."""
        return f"{getpass.getuser()}@{DOMAIN}"

    @property
    def address(self) -> str:
        """Address of the collector, for COLLECTOR_HOST in a VM's configuration."""
        return f"127.0.0.1:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        """Environment that points HTCondor's tools and bindings to this pool."""
        return {**os.environ, "CONDOR_CONFIG": str(self.directory / "condor_config")}

    @property
    def log(self) -> Path:
        """Directory of the daemons' logs."""
        return self.directory / "log"

    def start(self, timeout_s: float = 120.0) -> None:
        """Start the daemons and wait until schedd and negotiator are in the collector."""
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
                process_group=0,  # Ctrl-C reaches only the process that started the pool, which then stops it
            )
        self.wait_ready(timeout_s)

    def wait_ready(self, timeout_s: float = 120.0) -> None:
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
        """Run a tool against this pool and return its stdout. Raises CommandFailed unless ``check`` is off."""
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
        """Submit jobs and return the cluster id."""
        if not isinstance(description, str):
            description = "".join(f"{key} = {value}\n" for key, value in description.items()) + f"queue {count}\n"
        printed = self.run("condor_submit", "-terse", "-", stdin=description)
        return int(printed.split(".")[0])

    def jobs(self, constraint: str = "true", *attributes: str) -> list[dict[str, Any]]:
        """Return the ads of the jobs in the queue."""
        projection = ["-attributes", ",".join(attributes)] if attributes else []
        return _ads(self.run("condor_q", "-all", "-constraint", constraint, "-json", *projection))

    def history(self, constraint: str = "true") -> list[dict[str, Any]]:
        """Return the ads of the jobs in the history."""
        return _ads(self.run("condor_history", "-constraint", constraint, "-json"))

    def slots(self, constraint: str = "true") -> list[dict[str, Any]]:
        """Return the ads of the startds' slots."""
        return _ads(self.run("condor_status", "-constraint", constraint, "-json"))

    def masters(self, constraint: str = "true") -> list[dict[str, Any]]:
        """Return the ads of the masters, including the pool's own."""
        return _ads(self.run("condor_status", "-master", "-constraint", constraint, "-json"))

    def stop(self, timeout_s: float = 20.0) -> None:
        """Shut all daemons down fast; kill condor_master after ``timeout_s``."""
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

    def __exit__(self, *_: object) -> None:
        self.stop()


def _ads(text: str) -> list[dict[str, Any]]:
    ads: list[dict[str, Any]] = json.loads(text or "[]")
    return ads


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
