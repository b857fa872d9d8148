"""Which machines came to nothing: what speaks against their shapes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from factory.health import FAULTY, UNUSED, Fault
from factory.held import Held
from factory.model import VM, VMState
from factory.timeouts import Timeouts, Traces
from factory.track import Memory


def traces(memory: Memory, vm: VM) -> Traces:
    """What was seen of a VM in the pool."""
    return Traces(memory.absent.get(vm.uuid), memory.alone.get(vm.uuid), memory.unseen.get(vm.uuid))


def failures(vms: Iterable[VM], timeouts: Timeouts, memory: Memory, now: float) -> Iterator[Fault]:
    """Machines that the cloud refused, that did not come in time, that were lost, or that no job claimed."""
    for vm in vms:
        fault = Held(vm).fault if vm.state is VMState.HELD else None
        if fault is not None:
            yield fault
        seen = traces(memory, vm)
        overdue = timeouts.overdue(vm, seen, now)
        if overdue is not None:
            yield Fault(vm, FAULTY, overdue.why, overdue.since)
        if vm.state is VMState.RETIRED and vm.retire_time is None and seen.watched(vm):
            yield Fault(vm, FAULTY, "its master joined the pool, its startd never did", now)
        why = timeouts.never_claimed(vm, now)
        newcomer = memory.fit.newcomers.get(vm.uuid)
        if why is not None and newcomer is not None and newcomer.wanted:
            yield Fault(vm, UNUSED, f"{why}, though jobs waited", now)
