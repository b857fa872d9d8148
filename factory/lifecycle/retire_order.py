"""The order in which VMs retire, the least useful first. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from factory.model.vm import STARTING, VM, VMState

_RETIRE_ORDER = (VMState.SUBMITTED, VMState.BOOTING, VMState.IDLE, VMState.JOINED, VMState.BUSY)


def retire_order(vms: Iterable[VM], ondemand_first: bool = False) -> list[VM]:
    """Return the VMs that may be asked to retire, the least useful first.

    The order has four kinds:

    1. without an instance, newest first;
    2. booting, newest first;
    3. unclaimed, longest idle first;
    4. busy, by the end of their lease, then by the number of claims: few claims lose the least work.

    Within a kind on-demand VMs precede spot VMs if ``ondemand_first``. VMs with a job that any retirement may evict
    come last (rule 5).
    """

    def rank(vm: VM) -> tuple[bool, int, bool, float, int, str]:
        later = ondemand_first and vm.shape.endswith("/spot")
        if vm.state in STARTING:
            return vm.evictable, _RETIRE_ORDER.index(vm.state), later, -vm.submitted, 0, vm.uuid
        if vm.state is VMState.BUSY:
            return vm.evictable, 4, later, vm.lease_end or 0, vm.claims, vm.uuid
        return vm.evictable, 2, later, vm.idle_since or vm.submitted, 0, vm.uuid

    return sorted((vm for vm in vms if vm.state in _RETIRE_ORDER), key=rank)
