"""The room that waiting jobs can count on: free on machines now, or on its way. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from factory.fit.model import Demand, JobGroup, Machine, Match, Offer
from factory.fit.place import OnMachines, place_on_machines
from factory.model import VM, VMState

_SHAPE = "shape "
"""A machine that nobody has seen yet is of the kind of its shape's template."""
_ON_ITS_WAY = (VMState.SUBMITTED, VMState.BOOTING)
_IN_POOL = (VMState.JOINED, VMState.IDLE)
_GONE = (VMState.RETIRING, VMState.RETIRED, VMState.HELD, VMState.LOST, VMState.DONE)
_STRANGER_S = 1800
"""How often a machine that is none of this factory's reports is not known: HTCondor's own default is 300 s, and a
collector forgets a machine after 900 s unless it is told otherwise."""

NO_MATCH = Match(ok=False, why="not compared")


@dataclass(frozen=True, eq=False)
class Supply:
    """Machines and VMs of all queues, as the jobs of one demand see them."""

    demand: Demand
    vms: tuple[tuple[int, VM], ...] = ()
    """VMs with the rank of their queue: where there is a choice, jobs go to the machines of the first queues."""
    offers: Mapping[str, Offer] = field(default_factory=dict)
    """By ``str(shape)``, of all queues that read this demand."""
    now: float = 0
    queue: str = ""
    """The queue that looks: its machines may show more than another queue's of the same shape."""

    def machines(self, minlife_s: float) -> list[Machine]:
        """Machines with free room, and VMs on their way at their full size.

        Not counted is what has left though its ad is still there: it is old, or its VM job has gone. Nor what leaves:
        VMs that retire, were asked to or are stuck, and whatever ends within ``minlife_s``.
        """
        vms = {vm.uuid: vm for _, vm in self.vms}
        found = [
            machine
            for machine in self.demand.machines
            if not machine.leaving and self._stays(machine, vms.get(machine.vm or ""), minlife_s)
        ]
        seen = {machine.vm for machine in self.demand.machines}
        for _, vm in self.vms:
            ends = vm.lease_end
            coming = vm.state in _ON_ITS_WAY or (vm.state in _IN_POOL and vm.claims == 0)
            if coming and vm.uuid not in seen and not vm.asked_to_leave and vm.stuck is None:
                offer = self._offer(vm.shape)
                if offer is not None and (ends is None or ends - self.now >= minlife_s):
                    kind = f"{_SHAPE}{vm.queue} {offer.shape}"
                    found.append(Machine(vm.uuid, kind, offer.room, offer.room, vm=vm.uuid))
        return found

    def _stays(self, machine: Machine, vm: VM | None, minlife_s: float) -> bool:
        lives = self.demand.lives
        life = lives.get(machine.vm or "") if machine.ours and lives is not None else None
        if machine.ours and lives is not None and life is None and vm is None:
            return False
        told_s = (life.update_s if life else 0, vm.update_s if vm else 0)
        if machine.silent_s > (2 * max(self.demand.update_s, *told_s) if machine.ours else _STRANGER_S):
            return False
        if vm is not None and (vm.asked_to_leave or vm.state in _GONE or vm.stuck is not None):
            return False
        lease = life.ends if life else vm.lease_end if vm else None
        ends = min((end for end in (machine.leaves_at, lease) if end is not None), default=None)
        return not (life and life.leaves) and (ends is None or ends - self.now >= minlife_s)

    def _offer(self, shape: str) -> Offer | None:
        """Of a shape that nobody offers any more, the largest offer stands for it: rather too little is bought."""
        if shape in self.offers:
            return self.offers[shape]
        return max(self.offers.values(), key=lambda offer: (offer.room.cpus, str(offer.shape)), default=None)

    def place(self, groups: Iterable[JobGroup], machines: Sequence[Machine]) -> OnMachines:
        """These groups on these of its machines: on those that are there before those on their way."""
        rank = {vm.uuid: rank for rank, vm in self.vms}
        coming = {vm.uuid for _, vm in self.vms if vm.state in _ON_ITS_WAY}
        return place_on_machines(
            [group for group in groups if group.problem is None],
            machines,
            self.fits,
            lambda machine: (machine.vm in coming, rank.get(machine.vm or "", -1)),
        )

    def fits(self, group: JobGroup, kind: str) -> bool:
        """Whether a group's jobs run on machines of a kind."""
        if kind.startswith(_SHAPE):
            queue, _, shape = kind.removeprefix(_SHAPE).partition(" ")
            return (self.demand.on_shape(group.key, queue, shape) or self.on_shape(group, shape)).ok
        return self.demand.on_kinds.get((group.key, kind), NO_MATCH).ok

    def on_shape(self, group: JobGroup, shape: str) -> Match:
        """Whether a group's jobs would run on a new machine of a shape, as this queue makes it."""
        return self.demand.on_shape(group.key, self.queue, shape) or NO_MATCH

    def have(self) -> dict[str, int]:
        """VMs by shape that are there or on their way."""
        number: dict[str, int] = {}
        for _, vm in self.vms:
            if vm.state not in (VMState.DONE, VMState.HELD, VMState.LOST):
                number[vm.shape] = number.get(vm.shape, 0) + 1
        return number
