"""What is remembered from round to round about jobs that wait and machines that came in vain. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from factory.fit.model import Room
from factory.fit.waiting import Backoff, Waiting, longer
from factory.model import VM, VMState


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A VM that has joined and was never seen claimed."""

    queue: str
    shape: str
    joined: float
    """First seen in the pool (epoch seconds)."""
    wanted: bool = True
    """Jobs of its queue have waited at each look since: none of them could use it, or they would have."""


@dataclass(frozen=True)
class FitMemory:
    """Nothing of it causes a purchase or a retirement; it delays some (rule 1)."""

    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    """By group key."""
    rooms: Mapping[str, Room] = field(default_factory=dict)
    """What a startd of a shape had, by ``str(shape)``."""
    newcomers: Mapping[str, Newcomer] = field(default_factory=dict)
    """By APFVM."""
    backoff: Mapping[str, Backoff] = field(default_factory=dict)
    """By queue."""
    useless: frozenset[str] = frozenset()
    """VMs that no waiting job could use while others were bought: they are not taken back for the same jobs."""


_LEFT = (VMState.RETIRING, VMState.RETIRED, VMState.LOST, VMState.DONE)


def see_vms(
    memory: FitMemory, queue: str, vms: Iterable[VM], waits: bool, now: float
) -> tuple[FitMemory, list[Newcomer]]:
    """The memory after a look at a queue's VMs, and those that have left without ever being claimed.

    ``waits``: jobs of the queue wait, as far as is known. Each look at which a newcomer is found gone in front of
    jobs that waited all the while lengthens the queue's backoff by one step; a newcomer that is claimed ends it. One
    that is left over because short jobs were done on others says nothing.
    """
    seen = {vm.uuid: vm for vm in vms}
    newcomers, backoff = dict(memory.newcomers), dict(memory.backoff)
    in_vain: list[Newcomer] = []
    for uuid, newcomer in memory.newcomers.items():
        if newcomer.queue != queue:
            continue
        vm = seen.get(uuid)
        if vm is None or vm.state in _LEFT:
            del newcomers[uuid]
            if vm is None or vm.claims == 0:
                in_vain.append(newcomer)
        elif vm.state is not VMState.JOINED:
            del newcomers[uuid]
            if vm.state is VMState.BUSY:
                backoff.pop(queue, None)
        elif not waits:
            newcomers[uuid] = replace(newcomer, wanted=False)
    for vm in seen.values():
        if vm.state is VMState.JOINED and vm.uuid not in newcomers:
            newcomers[vm.uuid] = Newcomer(queue, vm.shape, now, waits)
    if waits and any(newcomer.wanted for newcomer in in_vain):
        backoff[queue] = longer(backoff.get(queue), now)
    return replace(memory, newcomers=newcomers, backoff=backoff), in_vain
