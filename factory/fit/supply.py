"""The room that waiting jobs can count on: free on machines now, or on its way. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

from factory.fit.place import OnMachines, place_on_machines
from factory.model.demand import Demand, JobGroup, Machine, Offer, Room
from factory.model.matches import Match
from factory.model.vm import CAPACITY, RETIREMENT, STARTING, UNCLAIMED, VM

_SHAPE = "shape "
"""A machine that nobody has seen yet is of the kind of its shape's template."""
_STRANGER_S = 1800
"""How often a machine that is none of this factory's reports is not known: HTCondor's own default is 300 s, and a
collector forgets a machine after 900 s unless it is told otherwise."""

NO_MATCH = Match(ok=False, why="not compared")


def _rests(
    groups: Iterable[JobGroup], machines: Iterable[Machine], placed: OnMachines, least: Room
) -> Iterator[Machine]:
    """Machines on which at least ``least`` is left, with that: room for one job more, which takes all there is."""
    asks, rests = {group.key: group.ask for group in groups}, {machine.name: machine.free for machine in machines}
    for key, numbers in placed.placed.items():
        for name, n in numbers.items():
            rests[name] = rests[name].minus(asks[key], n)
    used = placed.used
    for machine in machines:
        rest = rests[machine.name]
        if rest.holds(least) and not (machine.static and machine.name in used):
            yield replace(machine, free=rest, static=True)


def _both(first: OnMachines, second: OnMachines) -> OnMachines:
    placed = {key: dict(numbers) for key, numbers in first.placed.items()}
    for key, numbers in second.placed.items():
        of_group = placed.setdefault(key, {})
        for name, n in numbers.items():
            of_group[name] = of_group.get(name, 0) + n
    return OnMachines(placed, {**first.left, **second.left})


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
    bare: Mapping[str, Room] = field(init=False)
    """What a job asks for, by group, where it takes more of a machine that has more."""

    def __post_init__(self) -> None:
        """From here on groups ask for what their jobs take."""
        groups = self.demand.groups
        object.__setattr__(self, "bare", {group.key: group.ask for group in groups if group.takes is not None})
        if self.bare:
            offers = sorted(self.offers.values(), key=lambda o: (-o.room.cpus, -o.room.memory_mb, str(o.shape)))
            taking = tuple(g if g.takes is None else replace(g, ask=self._taken(g, g.takes, offers)) for g in groups)
            object.__setattr__(self, "demand", replace(self.demand, groups=taking))

    def _taken(self, group: JobGroup, takes: Room, offers: Iterable[Offer]) -> Room:
        """What a job takes; all there is of a machine that has what it asks for and not what it would take."""
        most = None
        for offer in offers:
            match = self.on_shape(group, str(offer.shape))
            if (match.ok or match.maybe) and offer.room.holds(group.ask):
                if offer.room.holds(takes):
                    return takes
                most = most or offer.room
        return takes.within(most) if most else takes

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
            coming = vm.state in STARTING or (vm.state in UNCLAIMED and vm.claims == 0)
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
        if vm is not None and (vm.asked_to_leave or vm.state not in CAPACITY or vm.stuck is not None):
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
        groups = [group for group in groups if group.problem is None]
        rank = {vm.uuid: rank for rank, vm in self.vms}
        coming = {vm.uuid for _, vm in self.vms if vm.state in STARTING}

        def order(machine: Machine) -> tuple[float, ...]:
            return machine.vm in coming, rank.get(machine.vm or "", -1)

        placed = place_on_machines(groups, machines, self.fits, order)
        last = [
            replace(group, ask=self.bare[group.key], count=placed.left[group.key])
            for group in groups
            if group.key in self.bare and placed.left[group.key]
        ]
        if not last:
            return placed
        rests = list(_rests(groups, machines, placed, reduce(Room.within, (group.ask for group in last))))
        return _both(placed, place_on_machines(last, rests, self.fits, order))

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
            if vm.state in CAPACITY or vm.state in RETIREMENT:
                number[vm.shape] = number.get(vm.shape, 0) + 1
        return number
