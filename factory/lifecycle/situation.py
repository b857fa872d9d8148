"""The facts about a queue's VMs that one round plans from. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from factory.health import canary
from factory.health.breakers import update_breakers
from factory.lifecycle.launch_failures import failures, overdue
from factory.lifecycle.policy import VMPolicy
from factory.lifecycle.timeouts import Overdue
from factory.lifecycle.unresponsive import patience_s
from factory.model.actions import Method
from factory.model.memory import Health, Memory
from factory.model.status import BatchStatus
from factory.model.vm import VM


@dataclass(frozen=True)
class Situation:
    """The VMs of a queue as one round sees them, and the policy that they live by."""

    policy: VMPolicy
    batch: BatchStatus
    memory: Memory
    now: float
    """Epoch seconds."""
    health: Health
    """Breakers of the queue's shapes, updated with what this round shows."""
    overdue: Mapping[str, Overdue]
    """VMs that exceeded a timeout, by APFVM."""
    repeat_s: float
    """Seconds after which a command without effect is sent again the first time."""

    @property
    def vms(self) -> tuple[VM, ...]:
        """All VMs of the queue."""
        return self.batch.vms

    def retire_method(self, vm: VM) -> Method:
        """Return the command that retires a VM; with method ``auto`` a VM that has claims drains (rule 7)."""
        if self.policy.retire != "auto":
            return self.policy.retire
        return "drain" if vm.claims else "off"

    def lease_ends_soon(self, vm: VM) -> bool:
        """True if the VM's lease ends within ``drain_before_s``."""
        return vm.lease_end is not None and self.now > vm.lease_end - self.policy.drain_before_s

    def attempt(self, vm: VM, command: str) -> int:
        """Return the number that a command sent now has in an unbroken row of the same command to this VM."""
        attempts = self.memory.attempts.get(vm.uuid)
        return attempts.times + 1 if attempts is not None and attempts.what == command else 1

    def last_sent(self, vm: VM) -> float:
        """Return the epoch of the last command to this VM; 0 if none is remembered."""
        return self.memory.sent.get(vm.uuid, 0)

    def patience_s(self, vm: VM) -> float:
        """Return the seconds to wait for the effect of the last command to this VM."""
        return patience_s(self.memory, vm.uuid, self.repeat_s)

    def recently_sent(self, vm: VM) -> bool:
        """True if the last command to this VM may still take effect."""
        return self.now - self.last_sent(vm) < self.patience_s(vm)


def assess(policy: VMPolicy, batch: BatchStatus, memory: Memory, now: float) -> Situation:
    """Return the situation of a queue: find overdue VMs and update the breakers of its shapes."""
    known = memory.health.get(policy.queue, Health())
    late = overdue(batch.vms, policy.timeouts, memory, now)
    faults = failures(batch.vms, policy.timeouts, memory, late, now)
    given_up = {uuid for uuid, job in memory.missing.items() if not job.expected}
    health = update_breakers(known, batch.vms, faults, now, memory.ended, given_up, memory.alive)
    health = replace(health, canaries=canary.canary_states(policy.builds, health.proven, batch.vms))
    return Situation(policy, batch, memory, now, health, late, policy.repeat_s(batch.vms))
