"""What is remembered from round to round about jobs that wait and machines that came in vain. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from factory.fit.stuck_groups import STUCK_S, longer
from factory.model.memory import FitMemory, Newcomer
from factory.model.vm import VM, VMState


def see_vms(
    memory: FitMemory, queue: str, vms: Iterable[VM], waits: bool, now: float
) -> tuple[FitMemory, list[Newcomer]]:
    """The memory after a look at a queue's VMs, and those that have left without ever being claimed.

    ``waits``: jobs of the queue wait, as far as is known. In vain came only what stood unclaimed for long and was then
    sent away, by us or by its own rule for idle machines: one that was lost, or that the cloud or somebody else ended,
    says nothing of the jobs. Each look at which a newcomer is found to have come in vain in front of jobs that waited
    all the while lengthens the queue's backoff by one step; a newcomer that is claimed ends it. One that is left over
    because short jobs were done on others says nothing.
    """
    seen = {vm.uuid: vm for vm in vms}
    newcomers, backoff = dict(memory.newcomers), dict(memory.backoff)
    stuck_s = memory.stuck_s.get(queue, STUCK_S)
    in_vain: list[Newcomer] = []
    for uuid, newcomer in memory.newcomers.items():
        if newcomer.queue != queue:
            continue
        vm = seen.get(uuid)
        if vm is not None and vm.state is VMState.LOST:
            continue  # it may be back in the next poll
        if vm is None or vm.state is not VMState.JOINED:
            del newcomers[uuid]
            if vm is not None and _sent_away(vm) and now - newcomer.joined >= stuck_s:
                in_vain.append(newcomer)
            if vm is not None and vm.state is VMState.BUSY:
                backoff.pop(queue, None)
        elif not waits:
            newcomers[uuid] = replace(newcomer, wanted=False)
    for vm in seen.values():
        if vm.state is VMState.JOINED and vm.uuid not in newcomers:
            newcomers[vm.uuid] = Newcomer(queue, vm.shape, now, waits)
    if waits and any(newcomer.wanted for newcomer in in_vain):
        backoff[queue] = longer(backoff.get(queue), now)
    return replace(memory, newcomers=newcomers, backoff=backoff), in_vain


def _sent_away(vm: VM) -> bool:
    """Whether it leaves unclaimed, at our word or by its own rule; not if somebody else drains it."""
    if vm.claims:
        return False
    return vm.state is VMState.RETIRED or (vm.state is VMState.RETIRING and vm.asked_to_leave)
