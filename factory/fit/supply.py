"""Room for waiting jobs: free on machines now, or on VMs that are starting. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce

from factory.fit.place import OnMachines, place_on_machines
from factory.model.demand import Demand, JobGroup, Machine, Offer, Room
from factory.model.matches import Match
from factory.model.vm import CAPACITY, RETIREMENT, STARTING, UNCLAIMED, VM, VMState

_SHAPE = "shape "
"""Begins the kind of a machine that has not joined yet; its queue and shape follow."""
_FOREIGN_AD_S = 1800
"""Age at which the ad of another owner's machine is too old. Its update interval is unknown: HTCondor's default is
300 s, and a collector forgets an ad after 900 s by default."""

NO_MATCH = Match(ok=False, why="not compared")


def _merged(first: OnMachines, second: OnMachines) -> OnMachines:
    placed = {key: dict(numbers) for key, numbers in first.placed.items()}
    for key, numbers in second.placed.items():
        of_group = placed.setdefault(key, {})
        for name, n in numbers.items():
            of_group[name] = of_group.get(name, 0) + n
    return OnMachines(placed, {**first.left, **second.left})


@dataclass(frozen=True, eq=False)
class Supply:
    """Machines and VMs of all queues that the jobs of one demand can use."""

    demand: Demand
    vms: tuple[tuple[int, VM], ...] = ()
    """VMs with the rank of their queue. Jobs prefer the machines of the queues that rank first."""
    offers: Mapping[str, Offer] = field(default_factory=dict)
    """By ``str(shape)``: the offers of all queues that read this demand."""
    now: float = 0
    queue: str = ""
    """The queue that decides. Two queues may make different machines of one shape."""
    requests: Mapping[str, Room] = field(init=False)
    """Group key → request of one job, for groups whose jobs take more than that from a large enough slot."""

    def __post_init__(self) -> None:
        """Replace the request of each group by what a startd gives its jobs (``JobGroup.takes``)."""
        groups = self.demand.groups
        object.__setattr__(self, "requests", {group.key: group.ask for group in groups if group.takes is not None})
        if self.requests:
            offers = sorted(self.offers.values(), key=lambda o: (-o.room.cpus, -o.room.memory_mb, str(o.shape)))
            taking = tuple(g if g.takes is None else replace(g, ask=self._taken(g, g.takes, offers)) for g in groups)
            object.__setattr__(self, "demand", replace(self.demand, groups=taking))

    def _taken(self, group: JobGroup, takes: Room, offers: Iterable[Offer]) -> Room:
        """Return what a job takes. A machine with room for the request but not for ``takes`` gives all it has."""
        most = None
        for offer in offers:
            match = self.on_shape(group, str(offer.shape))
            if (match.ok or match.maybe) and offer.room.holds(group.ask):
                if offer.room.holds(takes):
                    return takes
                most = most or offer.room
        return takes.within(most) if most else takes

    def machines(self, minlife_s: float) -> list[Machine]:
        """Return machines with their free room, and starting VMs with all their room.

        Left out are machines that are gone although their ad remains: the ad is old, or the VM job has left the queue.
        Also left out are VMs that retire, were asked to retire or are stuck, machines that hibernate, and machines that
        end within ``minlife_s``. A VM that has joined but is not ready is still a starting one.
        """
        vms, coming = {vm.uuid: vm for _, vm in self.vms}, self.unready
        there = [machine for machine in self.demand.machines if not (machine.unready and machine.vm in coming)]
        usable = [
            machine
            for machine in there
            if not machine.retiring
            and not machine.offline
            and self._is_usable(machine, vms.get(machine.vm or ""), minlife_s)
        ]
        joined = {machine.vm for machine in there}
        for _, vm in self.vms:
            ends = vm.lease_end
            comes = vm.state in STARTING or (vm.state in UNCLAIMED and vm.claims == 0)
            if comes and vm.uuid not in joined and not vm.asked_to_retire and vm.stuck is None:
                offer = self._offer(vm.shape)
                if offer is not None and (ends is None or ends - self.now >= minlife_s):
                    kind = f"{_SHAPE}{vm.queue} {offer.shape}"
                    usable.append(Machine(vm.uuid, kind, offer.room, offer.room, vm=vm.uuid))
        return usable

    @cached_property
    def unready(self) -> frozenset[str]:
        """VMs, by APFVM, that joined and were never claimed, and are not ready yet; ``jobtimeout`` limits that."""
        unready = {machine.vm for machine in self.demand.machines if machine.unready}
        return frozenset(vm.uuid for _, vm in self.vms if vm.state is VMState.JOINED and vm.uuid in unready)

    def _is_usable(self, machine: Machine, vm: VM | None, minlife_s: float) -> bool:
        """True if the machine takes jobs for at least ``minlife_s`` more."""
        leases = self.demand.leases
        lease = leases.get(machine.vm or "") if machine.ours and leases is not None else None
        if machine.ours and leases is not None and lease is None and vm is None:
            return False
        update_s = (lease.update_s if lease else 0, vm.update_s if vm else 0)
        if machine.silent_s > (2 * max(self.demand.update_s, *update_s) if machine.ours else _FOREIGN_AD_S):
            return False
        if vm is not None and (vm.asked_to_retire or vm.state not in CAPACITY or vm.stuck is not None):
            return False
        lease_end = lease.ends if lease else vm.lease_end if vm else None
        ends = min((end for end in (machine.ends_at, lease_end) if end is not None), default=None)
        return not (lease and lease.retiring) and (ends is None or ends - self.now >= minlife_s)

    def _offer(self, shape: str) -> Offer | None:
        """Return the offer of a shape; the largest one if it is not on offer any more, so that too little is bought."""
        if shape in self.offers:
            return self.offers[shape]
        return max(self.offers.values(), key=lambda offer: (offer.room.cpus, str(offer.shape)), default=None)

    def place(self, groups: Iterable[JobGroup], machines: Sequence[Machine]) -> OnMachines:
        """Place groups on machines: on those that are up before those that are starting."""
        groups = [group for group in groups if group.problem is None]
        rank = {vm.uuid: rank for rank, vm in self.vms}
        starting = {vm.uuid for _, vm in self.vms if vm.state in STARTING}

        def order(machine: Machine) -> tuple[float, ...]:
            return machine.vm in starting, rank.get(machine.vm or "", -1)

        placed = place_on_machines(groups, machines, self.fits, order, self.ask_on)
        unplaced = [
            replace(group, ask=self.requests[group.key], count=placed.left[group.key])
            for group in groups
            if group.key in self.requests and placed.left[group.key]
        ]
        if not unplaced:
            return placed
        least = replace(reduce(Room.within, (group.ask for group in unplaced)), custom=())
        remaining = list(self._leftovers(groups, machines, placed, least))
        return _merged(placed, place_on_machines(unplaced, remaining, self.fits, order))

    def _leftovers(
        self, groups: Iterable[JobGroup], machines: Iterable[Machine], placed: OnMachines, least: Room
    ) -> Iterator[Machine]:
        """Yield machines with at least ``least`` left over, as static slots: one more job takes all that is left."""
        by_key, by_name = {group.key: group for group in groups}, {machine.name: machine for machine in machines}
        left = {name: machine.free for name, machine in by_name.items()}
        for key, numbers in placed.placed.items():
            group = by_key[key]
            for name, n in numbers.items():
                ask = self.ask_on(group, by_name[name].kind) if group.varies else group.ask
                left[name] = left[name].minus(ask, n)
        used = placed.used
        for machine in machines:
            room = left[machine.name]
            if room.holds(least) and not (machine.static and machine.name in used):
                yield replace(machine, free=room, static=True)

    def fits(self, group: JobGroup, kind: str) -> bool:
        """True if the jobs of a group run on machines of a kind."""
        return self._match(group, kind).ok

    def ask_on(self, group: JobGroup, kind: str) -> Room:
        """Return the request of one job on machines of a kind."""
        return self._match(group, kind).ask or group.ask

    def ask_on_shape(self, group: JobGroup, shape: str) -> Room:
        """Return the request of one job on a new machine of a shape."""
        return self.on_shape(group, shape).ask or group.ask

    def _match(self, group: JobGroup, kind: str) -> Match:
        if kind.startswith(_SHAPE):
            queue, _, shape = kind.removeprefix(_SHAPE).partition(" ")
            return self.demand.on_shape(group.key, queue, shape) or self.on_shape(group, shape)
        return self.demand.on_kinds.get((group.key, kind), NO_MATCH)

    def on_shape(self, group: JobGroup, shape: str) -> Match:
        """Return the match of a group with a new machine of a shape, as this queue makes it."""
        return self.demand.on_shape(group.key, self.queue, shape) or NO_MATCH

    def vms_by_shape(self) -> dict[str, int]:
        """Return the number of VMs of each shape that exist or are starting."""
        vms: dict[str, int] = {}
        for _, vm in self.vms:
            if vm.state in CAPACITY or vm.state in RETIREMENT:
                vms[vm.shape] = vms.get(vm.shape, 0) + 1
        return vms
