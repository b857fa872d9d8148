"""Simulate a burst of jobs with rounds of one minute and VMs that boot in five minutes."""

from collections import Counter

from factory.decide.chain import run_chain
from factory.model.demand import JobGroup, Machine, Room
from factory.model.vm import VM, VMState
from factory.plugin.sched import SchedPlugin
from plugins.sched.fit import Fit
from plugins.sched.maxpercycle import MaxPerCycle
from plugins.sched.maxtorun import MaxToRun
from tests.rig.chains import plugin
from tests.rig.fit import demand, group, offer, share, view, vm

CYCLE_S, BOOT_S = 60, 300
VM_SHAPE = offer(cpus=8, memory_mb=32_000)


class Cloud:
    """Jobs of one core, and VMs of eight cores that a chain buys for them."""

    def __init__(self, jobs: int, *chain: SchedPlugin) -> None:
        self.idle, self.running = jobs, 0
        self.chain = chain
        self.bought: dict[int, float] = {}
        """VM number → time of purchase."""
        self.claims: Counter[int] = Counter()
        self.now = 0.0

    def round(self) -> int:
        """Negotiate, decide and act; return the number that the chain asked for."""
        for number, since in self.bought.items():
            if self.now - since >= BOOT_S:
                starts = min(self.idle, 8 - self.claims[number])
                self.claims[number] += starts
                self.idle, self.running = self.idle - starts, self.running + starts
        vms = self.vms()
        wanted = demand(self.groups(), self.machines(), [VM_SHAPE])
        asked = run_chain(self.chain, view(share(wanted, [VM_SHAPE], vms, self.now), vms))
        assert asked.blocked_text is None
        assert asked.ask.n >= 0
        for _ in range(asked.ask.n):
            self.bought[len(self.bought)] = self.now
        self.now += CYCLE_S
        return asked.ask.n

    def groups(self) -> list[JobGroup]:
        return [group("g", 1, 1000, self.idle)] if self.idle else []

    def vms(self) -> list[VM]:
        return [
            vm(number, VMState.BOOTING if self.now - since < BOOT_S else VMState.BUSY, VM_SHAPE)
            for number, since in self.bought.items()
        ]

    def machines(self) -> list[Machine]:
        return [
            Machine(f"slot1@{n}", "k", Room(8 - self.claims[n], 32_000, 1e7), VM_SHAPE.room, vm=f"vm{n:05}")
            for n, since in self.bought.items()
            if self.now - since >= BOOT_S
        ]


def test_burst_of_10000_jobs_gets_exactly_1250_vms() -> None:
    cloud = Cloud(10_000, plugin(Fit))
    while cloud.now <= BOOT_S + CYCLE_S:
        cloud.round()
    assert cloud.running >= 9000, "boot and one round after the burst"
    for _ in range(10):
        cloud.round()
    assert len(cloud.bought) == 1250
    assert cloud.running == 10_000


def test_caps_only_slow_a_burst_down() -> None:
    cloud = Cloud(10_000, plugin(Fit), plugin(MaxPerCycle, maximum=200), plugin(MaxToRun, maximum=1000))
    asked = [cloud.round() for _ in range(8)]
    assert asked == [200, 200, 200, 200, 200, 0, 0, 0]
