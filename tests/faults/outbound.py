"""Machines that only reach out: each in a network namespace of its own, like behind NAT.

A scenario of this kind runs in a process of its own, ``python -m tests.faults.outbound DIRECTORY``, entered by
``unshare``: there it may make network interfaces without being root. Its pool is at an address that the machines have
a route to; theirs is their own loopback, which nobody else can reach. All commands to them go through CCB.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from tests.faults.books import Figures
from tests.faults.cloudfaults import Boots
from tests.faults.site import Site
from tests.rig.pool import Pool

ADDRESS = "10.9.255.1"
"""Of the pool, for its machines."""

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
"""A machine boots into a namespace of its own, with one way out."""


class OutboundPool(Pool):
    """A pool at an address of its own."""

    @property
    def address(self) -> str:
        """The collector, for COLLECTOR_HOST in a VM's configuration."""
        return f"{ADDRESS}:{self.port}"

    def start(self, timeout_s: float = 30.0) -> None:
        """Start the daemons where the machines can reach them."""
        self._extra = f"NETWORK_INTERFACE = {ADDRESS}\nCONDOR_HOST = {ADDRESS}\nCOLLECTOR_HOST = {self.address}\n"
        super().start(timeout_s)


def play(directory: Path) -> tuple[Figures, int, int]:
    """Jobs run on machines that nobody can connect to; they retire, are taken back, and leave."""
    for command in ("link set lo up", f"addr add {ADDRESS}/32 dev lo"):
        subprocess.run(["ip", *command.split()], check=True)
    site = Site(directory, "outbound", pool=OutboundPool)
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
        site.factory.queues["CLOUD"][_MAXIMUM] = 1
        site.factory.reload()
        site.wait(lambda: site.factory.states()["retiring"] == 1, "one of them retires, by command", 180)
        site.factory.queues["CLOUD"][_MAXIMUM] = 3
        site.factory.reload()
        site.submit(2)
        site.wait(lambda: site.factory.states()["busy"] == 3, "it is taken back, and a third works", 180)
        figures = site.settle()
    return figures, site.submitted, len(site.book)


def run(directory: Path) -> tuple[Figures, int, int]:
    """The same in a namespace of its own: figures, jobs, VMs."""
    command = [*_ENTER, sys.executable, "-m", "tests.faults.outbound", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads(done.stdout.splitlines()[-1])
    return Figures(**told["figures"]), told["jobs"], told["vms"]


if __name__ == "__main__":
    figures, jobs, vms = play(Path(sys.argv[1]))
    print(json.dumps({"figures": asdict(figures), "jobs": jobs, "vms": vms}))
