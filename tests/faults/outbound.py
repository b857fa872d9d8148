"""Machines with outbound connections only: each in a network namespace of its own, like behind NAT.

Such a scenario runs in a process of its own, ``python -m tests.faults.outbound NAME DIRECTORY``, started by
``unshare``. There it can create network interfaces without being root. The machines have a route to the pool's
address, but no other host can reach theirs, which is their loopback. So all commands go through CCB, if the pool
has it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from tests.faults.books import Figures
from tests.faults.cloudfaults import Boots
from tests.faults.site import QUICK_CCB, Site
from tests.rig.pool import Pool

ADDRESS = "10.9.255.1"
"""Address of the pool."""

_MAXIMUM = "sched.maxtorun.maximum"

_ENTER = ("unshare", "--user", "--map-current-user", "--keep-caps", "--net")

BOOT = """\
n=$(($$ % 60000))
a=$((n / 250)) b=$((n % 250))
ip link add v$n type veth peer name p$n
ip addr add 10.$((a + 10)).$b.1/30 dev v$n
ip link set v$n up
(while [ "$(readlink /proc/$$/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
 ip link set p$n netns $$) &
exec unshare --net sh -c '
    until ip link show "$1" >/dev/null 2>&1; do sleep 0.05; done
    ip link set lo up
    ip addr add "$2.2/30" dev "$1"
    ip link set "$1" up
    ip route add default via "$2.1"
    shift 2
    exec "$@"' vm p$n 10.$((a + 10)).$b "$@"
"""
"""Boot a machine in a network namespace of its own, with one route out."""


class OutboundPool(Pool):
    """A pool at ``ADDRESS``."""

    @property
    def address(self) -> str:
        """Address of the collector, for COLLECTOR_HOST in a VM's configuration."""
        return f"{ADDRESS}:{self.port}"

    def start(self, timeout_s: float = 30.0) -> None:
        """Start the daemons where the machines can reach them."""
        self._extra = f"NETWORK_INTERFACE = {ADDRESS}\nCONDOR_HOST = {ADDRESS}\nCOLLECTOR_HOST = {self.address}\n"
        super().start(timeout_s)


@contextmanager
def machines(directory: Path, keys: Mapping[str, object] | None = None, layer: str = "") -> Iterator[Site]:
    """Run a site with two such machines, each with a job."""
    for command in ("link set lo up", f"addr add {ADDRESS}/32 dev lo"):
        subprocess.run(["ip", *command.split()], check=True)
    site = Site(directory, "outbound", keys, layer=layer, pool=OutboundPool)
    with site.running():
        site.broken.set(Boots("wrapped", wrapper=("/bin/sh", "-c", BOOT, "boot")))
        site.submit(2)
        site.wait_running(2)
        for ad in site.pool.slots(f'APFFactory == "{site.factory.id}"'):
            host, port = ad["MyAddress"].strip("<").partition("?")[0].split(":")
            reached = subprocess.run(
                ["bash", "-c", f"exec 3<>/dev/tcp/{host}/{port}"], capture_output=True, check=False
            )
            assert reached.returncode != 0, "the machine can be reached from outside"
        yield site


def _set_maximum(site: Site, maximum: int) -> None:
    site.factory.queues["CLOUD"][_MAXIMUM] = maximum
    site.factory.reload()


def commands(directory: Path) -> tuple[Figures, Site]:
    """Retire and unretire machines by commands through CCB."""
    with machines(directory) as site:
        _set_maximum(site, 1)
        site.wait(lambda: site.factory.states()["retiring"] == 1, "one of them retires", 180)
        _set_maximum(site, 3)
        site.submit(2)
        site.wait(lambda: site.factory.states()["busy"] == 3, "it is unretired, and a third is busy", 180)
        return site.settle(), site


def no_command(directory: Path) -> tuple[Figures, Site]:
    """Disable CCB: ads arrive and jobs run on, but no command gets through. Then enable it again."""
    with machines(directory, layer=QUICK_CCB) as site:
        config = site.pool.directory / "config.d" / "ccb"
        config.write_text("ENABLE_CCB_SERVER = False\n")
        site.kill_daemon("collector")
        site.wait(lambda: site.factory.blocked() is None, "the queue is no longer blocked")
        site.wait(lambda: site.factory.states()["busy"] == 2, "the machines still report")
        _set_maximum(site, 1)
        site.wait(lambda: len(site.failed("retire")) >= 2, "two commands to retire fail", 180)
        text = site.factory.run("status", "--vms").stdout
        assert "asked to retire; its ads do not show it yet" in text, text
        assert "condor_drain exited with 1" in site.factory.log_text()
        site.factory.rounds(5)
        assert not site.factory.actions("remove"), "it may be busy, and is"
        assert sum(not run.ended for run in site.runs()) == 2
        config.unlink()
        site.kill_daemon("collector")
        site.wait(site.draining, "it gets the command", 180)
        return site.settle(), site


SCENARIOS = {"commands": commands, "no command": no_command}


def run(directory: Path, name: str) -> tuple[Figures, int, int]:
    """Run a scenario in a namespace of its own; return its figures, and the numbers of jobs and VMs."""
    command = [*_ENTER, sys.executable, "-m", "tests.faults.outbound", name, str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    result = json.loads(done.stdout.splitlines()[-1])
    return Figures(**result["figures"]), result["jobs"], result["vms"]


if __name__ == "__main__":
    figures, site = SCENARIOS[sys.argv[1]](Path(sys.argv[2]))
    print(json.dumps({"figures": asdict(figures), "jobs": site.submitted, "vms": len(site.book)}))
