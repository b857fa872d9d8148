"""Track VMs that join and retire without ever being claimed, and the backoff of their queues. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from factory.fit.stuck_groups import STUCK_S, lengthen_backoff
from factory.model.memory import FitMemory, Newcomer
from factory.model.vm import VM, VMState


def update_newcomers(
    memory: FitMemory, queue: str, vms: Iterable[VM], waits: bool, now: float
) -> tuple[FitMemory, list[Newcomer]]:
    """Return the memory after a poll of a queue's VMs, and the VMs that were never claimed.

    A VM counts as never claimed if it retired after ``stuck_s`` without a claim, by our command or by its own rule for
    idle machines. A VM that was lost, or ended by the cloud or by somebody else, says nothing about the jobs.

    A poll that finds a never-claimed VM lengthens the queue's backoff by one step, if jobs waited all the time the VM
    was up. If they did not, short jobs may have finished on other machines. A new VM that is claimed ends the backoff.

    Args:
        memory: The memory before the poll.
        queue: Name of the queue.
        vms: The VMs of the queue.
        waits: True if jobs of the queue are known to wait.
        now: Time of the poll.
    """
    by_uuid = {vm.uuid: vm for vm in vms}
    newcomers, backoff = dict(memory.newcomers), dict(memory.backoff)
    stuck_s = memory.stuck_s.get(queue, STUCK_S)
    never_claimed: list[Newcomer] = []
    for uuid, newcomer in memory.newcomers.items():
        if newcomer.queue != queue:
            continue
        vm = by_uuid.get(uuid)
        if vm is not None and vm.state is VMState.LOST:
            continue  # the next poll may show it again
        if vm is None or vm.state is not VMState.JOINED:
            del newcomers[uuid]
            if vm is not None and _retired_unclaimed(vm) and now - newcomer.joined >= stuck_s:
                never_claimed.append(newcomer)
            if vm is not None and vm.state is VMState.BUSY:
                backoff.pop(queue, None)
        elif not waits:
            newcomers[uuid] = replace(newcomer, wanted=False)
    for vm in by_uuid.values():
        if vm.state is VMState.JOINED and vm.uuid not in newcomers:
            newcomers[vm.uuid] = Newcomer(queue, vm.shape, now, waits)
    if waits and any(newcomer.wanted for newcomer in never_claimed):
        backoff[queue] = lengthen_backoff(backoff.get(queue), now)
    return replace(memory, newcomers=newcomers, backoff=backoff), never_claimed


def _retired_unclaimed(vm: VM) -> bool:
    """True if the VM retires unclaimed, by our command or by its own rule; false if somebody else drains it."""
    if vm.claims:
        return False
    return vm.state is VMState.RETIRED or (vm.state is VMState.RETIRING and vm.asked_to_retire)
