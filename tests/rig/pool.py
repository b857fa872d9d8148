"""A real HTCondor pool for tests: ``localcloud.pool``, and what tests do to it."""

import os
import signal
import subprocess

from localcloud import pool
from localcloud.pool import DOMAIN, CommandFailed
from localcloud.wait import until

__all__ = ["DOMAIN", "ONE_STARTD", "SECOND", "TWO_SCHEDDS", "CommandFailed", "Pool"]

SECOND = "second@pool"
TWO_SCHEDDS = f"""
DAEMON_LIST = $(DAEMON_LIST), SCHEDD2
SCHEDD2 = $(SCHEDD)
SCHEDD2_ARGS = -local-name SCHEDD2
SCHEDD2.SCHEDD_NAME = {SECOND}
SCHEDD2.SCHEDD_LOG = $(LOG)/Schedd2Log
SCHEDD2.SPOOL = $(LOCAL_DIR)/spool2
SCHEDD2.SCHEDD_ADDRESS_FILE = $(SPOOL)/.schedd2_address
SCHEDD2.SCHEDD_DAEMON_AD_FILE = $(SPOOL)/.schedd2_ad
SCHEDD2.HISTORY = $(SPOOL)/history2
DC_DAEMON_LIST = +SCHEDD2
"""
"""More configuration of a pool: a second schedd, whose spool ``spool2`` must be there."""
ONE_STARTD = """
DAEMON_LIST = $(DAEMON_LIST), STARTD
STARTD_NAME = vm1
NUM_SLOTS_TYPE_1 = 1
SLOT_TYPE_1 = 100%
SLOT_TYPE_1_PARTITIONABLE = True
START = True
SHUTDOWN_FAST_TIMEOUT = 2
"""
"""More configuration of a pool: a startd with one partitionable slot, as if a VM were called vm1."""


class Pool(pool.Pool):
    """A pool whose daemons can be looked into and broken."""

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

    def pid_of_second_schedd(self) -> int:
        """Process id of the schedd that ``TWO_SCHEDDS`` adds."""
        found = ["pgrep", "--parent", str(self.pid_of("master")), "--full", "local-name SCHEDD2"]
        return int(subprocess.run(found, capture_output=True, text=True, check=True).stdout.split()[0])

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
