"""A real HTCondor pool for tests: central manager, schedd and gridmanager of the user who runs the tests, no startd."""

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
from tests.rig.wait import until

DOMAIN = "pool.test"

_CONFIG = """\
{parts}
LOCAL_DIR = {root}
LOCAL_CONFIG_FILE =
LOCAL_CONFIG_DIR = {root}/config.d
LOG = $(LOCAL_DIR)/log
LOCK = $(LOCAL_DIR)/lock
RUN = $(LOCAL_DIR)/run
SPOOL = $(LOCAL_DIR)/spool
EXECUTE = $(LOCAL_DIR)/execute
ETC = $(LOCAL_DIR)
SEC_PASSWORD_DIRECTORY = $(LOCAL_DIR)/passwords.d
SEC_TOKEN_DIRECTORY = $(LOCAL_DIR)/tokens.d
SEC_TOKEN_SYSTEM_DIRECTORY = $(LOCAL_DIR)/tokens.d

CONDOR_HOST = 127.0.0.1
COLLECTOR_HOST = 127.0.0.1:{port}
NETWORK_INTERFACE = 127.0.0.1
USE_SHARED_PORT = False
DAEMON_LIST = MASTER, COLLECTOR, NEGOTIATOR, SCHEDD
SCHEDD_NAME = {name}
MASTER_NAME = {name}
UID_DOMAIN = {domain}
TRUST_DOMAIN = {domain}

use security:recommended_v9_0
# The daemons run as the user of the tests, who is also administrator and factory.
ALLOW_DAEMON = {user}@{domain}, condor@{domain}
ALLOW_NEGOTIATOR = $(ALLOW_DAEMON)
ALLOW_ADMINISTRATOR = $(ALLOW_DAEMON)
# A VM has a token of the same identity that carries no more than these rights.
ALLOW_ADVERTISE_STARTD = {user}@{domain}
ALLOW_ADVERTISE_MASTER = {user}@{domain}

# Quick: a test waits for these.
NEGOTIATOR_INTERVAL = 2
NEGOTIATOR_MIN_INTERVAL = 1
NEGOTIATOR_CYCLE_DELAY = 1
SCHEDD_INTERVAL = 2
SCHEDD_MIN_INTERVAL = 1
UPDATE_INTERVAL = 5
PERIODIC_EXPR_INTERVAL = 5
PERIODIC_EXPR_TIMESLICE = 0.5
MASTER_BACKOFF_CONSTANT = 1
MASTER_BACKOFF_CEILING = 3
GRIDMANAGER_JOB_PROBE_INTERVAL = 2
GRIDMANAGER_CONTACT_SCHEDD_DELAY = 1
GRIDMANAGER_RESOURCE_PROBE_INTERVAL = 5
GRIDMANAGER_EMPTY_RESOURCE_DELAY = 5
GRIDMANAGER_MAX_SUBMITTED_JOBS_PER_RESOURCE_EC2 = 1000
GRIDMANAGER_GAHPCLIENT_DEBUG_SIZE = 2000
EC2_GAHP_RATE_LIMIT = 0
EC2_GAHP_LOG = $(LOG)/EC2GahpLog.$(USERNAME)
{extra}
"""


class CommandFailed(AssertionError):
    """An HTCondor tool exited with a failure."""


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
        parts = "\n".join(f"{key} = {value}" for key, value in installed_parts().items())
        (self.directory / "condor_config").write_text(
            _CONFIG.format(
                parts=parts,
                root=self.directory,
                port=self.port,
                name=self.name,
                user=getpass.getuser(),
                domain=DOMAIN,
                extra=self._extra,
            )
        )
        with open(self.log / "console", "ab") as console:
            self._master = subprocess.Popen(
                ["condor_master", "-f"], env=self.env, stdin=subprocess.DEVNULL, stdout=console, stderr=console
            )
        self.wait_ready(timeout_s)

    def wait_ready(self, timeout_s: float = 30.0) -> None:
        """Wait until collector, negotiator and schedd answer."""

        def ready() -> bool:
            if self._master is not None and self._master.poll() is not None:
                raise AssertionError(f"condor_master ended with status {self._master.returncode}, see {self.log}")
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

    def vm_token(self, lifetime_s: int = 3600) -> str:
        """A token such as a VM gets: it may advertise and read, nothing else."""
        rights = [word for right in ("ADVERTISE_STARTD", "ADVERTISE_MASTER", "READ") for word in ("-authz", right)]
        return self.run("condor_token_fetch", "-type", "collector", *rights, "-lifetime", str(lifetime_s)).strip()

    def pid_of(self, daemon: str) -> int:
        """Process id of a daemon of this pool: ``master``, ``collector``, ``negotiator``, ``schedd``."""
        if daemon == "master":
            assert self._master is not None
            return self._master.pid
        found = ["pgrep", "--parent", str(self.pid_of("master")), "--exact", f"condor_{daemon}"[:15]]
        return int(subprocess.run(found, capture_output=True, text=True, check=False).stdout.split()[0])

    def kill_daemon(self, daemon: str) -> None:
        """Kill a daemon with SIGKILL; the master starts it again."""
        os.kill(self.pid_of(daemon), signal.SIGKILL)

    def restart_daemon(self, daemon: str) -> None:
        """Restart a daemon in an orderly way and wait until the pool is ready again."""
        old = self.pid_of(daemon)
        self.run("condor_restart", "-daemon", daemon)
        until(lambda: self._replaced(daemon, old), f"a new {daemon}")
        self.wait_ready()

    def _replaced(self, daemon: str, old: int) -> bool:
        try:
            return self.pid_of(daemon) != old
        except IndexError:
            return False

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
