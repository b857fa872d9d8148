"""Collect the launch failures of a queue's VMs, which count against their shapes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from factory.health.breakers import FAULTY, UNUSED, LaunchFailure
from factory.lifecycle.held_jobs import HeldJob
from factory.lifecycle.timeouts import Overdue, Timeouts, Traces
from factory.model.memory import Memory
from factory.model.vm import VM, VMState


def traces(memory: Memory, vm: VM) -> Traces:
    """Return what is remembered of a VM's ads in the pool."""
    return Traces(memory.absent.get(vm.uuid), memory.alone.get(vm.uuid), memory.unseen.get(vm.uuid))


def overdue(vms: Iterable[VM], timeouts: Timeouts, memory: Memory, now: float) -> dict[str, Overdue]:
    """Return the VMs that exceeded a timeout, by APFVM."""
    late = {vm.uuid: timeouts.overdue(vm, traces(memory, vm), now) for vm in vms}
    return {uuid: why for uuid, why in late.items() if why is not None}


def failures(
    vms: Iterable[VM], timeouts: Timeouts, memory: Memory, late: Mapping[str, Overdue], now: float
) -> Iterator[LaunchFailure]:
    """Yield VMs that the cloud refused, that are overdue (``late``), that never joined, or that no job claimed."""
    for vm in vms:
        fault = HeldJob(vm).fault if vm.state is VMState.HELD else None
        if fault is not None:
            yield fault
        if vm.uuid in late:
            yield LaunchFailure(vm, FAULTY, late[vm.uuid].why, late[vm.uuid].since)
        if vm.state is VMState.RETIRED and vm.retire_time is None and traces(memory, vm).watched(vm):
            yield LaunchFailure(vm, FAULTY, "its master joined the pool, its startd never did", now)
        why = timeouts.never_claimed(vm, now)
        newcomer = memory.fit.newcomers.get(vm.uuid)
        if why is not None and newcomer is not None and newcomer.wanted:
            yield LaunchFailure(vm, UNUSED, f"{why}, although jobs were waiting", now)
