"""Which VMs leave first. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from factory.model.vm import STARTING, VM, VMState

_LEAVE_ORDER = (VMState.SUBMITTED, VMState.BOOTING, VMState.IDLE, VMState.JOINED, VMState.BUSY)


def retire_order(vms: Iterable[VM], ondemand_first: bool = False) -> list[VM]:
    """VMs that may be asked to leave, the least useful first.

    No instance yet (newest first), then booting (newest first), then unclaimed (longest idle first), then
    busy by the end of their lease, and of those with one lease the ones with the fewest claims, which have the
    least work left to lose. Of each of these four kinds on-demand ones go before spot ones, if so asked. VMs with a
    job that a retirement may evict come last (rule 5).
    """

    def rank(vm: VM) -> tuple[bool, int, bool, float, int, str]:
        later = ondemand_first and vm.shape.endswith("/spot")
        if vm.state in STARTING:
            return vm.evictable, _LEAVE_ORDER.index(vm.state), later, -vm.submitted, 0, vm.uuid
        if vm.state is VMState.BUSY:
            return vm.evictable, 4, later, vm.lease_end or 0, vm.claims, vm.uuid
        return vm.evictable, 2, later, vm.idle_since or vm.submitted, 0, vm.uuid

    return sorted((vm for vm in vms if vm.state in _LEAVE_ORDER), key=rank)
