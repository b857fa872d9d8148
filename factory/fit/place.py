"""Place job groups on machines that are up or starting. Pure.

Groups are placed first-fit decreasing, largest first. One group is placed by arithmetic on all machines at once, so the
time grows with groups times machines and not with jobs. The result does not depend on the order of the input.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter

import numpy as np

from factory.fit.packing.purchase import AskOn, Fits
from factory.fit.packing.vectors import TINY, Floats, Ints, count_fits, custom_resources, request_vector, rows, vector
from factory.model.demand import JobGroup, Machine, Room

Rank = Callable[[Machine], tuple[float, ...]]
"""Machines with a smaller rank are filled first."""


@dataclass(frozen=True)
class OnMachines:
    """Jobs placed on machines that are up or starting."""

    placed: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Group key → machine name → jobs."""
    left: Mapping[str, int] = field(default_factory=dict)
    """Group key → jobs without room."""

    @property
    def used(self) -> frozenset[str]:
        """Names of the machines that got a job."""
        return frozenset(name for of_group in self.placed.values() for name in of_group)


def place_on_machines(
    groups: Sequence[JobGroup],
    machines: Sequence[Machine],
    fits: Fits,
    rank: Rank = lambda _: (),
    ask_on: AskOn = lambda group, _: group.ask,
) -> OnMachines:
    """Place groups on machines: busy machines before empty ones, so that the empty ones can retire.

    Further criteria are ``rank``, the fullest first, and the name. A job is left over only if no machine has room for
    it in the end. ``ask_on``: request of one job on machines of a kind, for groups whose request varies.
    """
    left = {group.key: group.count for group in groups}
    least = np.min(rows(request_vector(group.least) for group in groups), axis=0) if groups else np.zeros(4)
    custom = custom_resources(groups)
    cpus, memory_mb = least[:2].tolist()
    useful = [
        m
        for m in machines
        if not m.retiring and not m.offline and m.free.cpus >= cpus and m.free.memory_mb >= memory_mb
    ]
    room = _Free(_in_order(useful, rank), custom)
    placed = {}
    for group in largest_first(groups):
        if not left[group.key] or not room.names:
            continue
        taken = room.take(group, left[group.key], fits, ask_on)
        if taken:
            placed[group.key] = taken
            left[group.key] -= sum(taken.values())
    return OnMachines(placed, left)


class _Free:
    """Free room of machines, in the order in which they are filled."""

    def __init__(self, machines: Sequence[Machine], custom: Sequence[str]) -> None:
        self.custom = custom
        self.names = [machine.name for machine in machines]
        self.free = np.asfortranarray(rows((vector(machine.free, custom) for machine in machines), custom))
        self.static = np.array([machine.static for machine in machines], dtype=bool)
        self.any_static = bool(self.static.any())
        self.kinds = sorted({machine.kind for machine in machines})
        number = {kind: i for i, kind in enumerate(self.kinds)}
        self.kind = np.array([number[machine.kind] for machine in machines], dtype=np.int64)

    def take(self, group: JobGroup, count: int, fits: Fits, ask_on: AskOn) -> dict[str, int]:
        """Place up to ``count`` jobs of a group; return the number of jobs by machine name."""
        if not group.varies:
            return self._take(group, group.ask, count, fits)
        kinds: dict[Room, set[str]] = defaultdict(set)
        for kind in self.kinds:
            if fits(group, kind):
                kinds[ask_on(group, kind)].add(kind)
        taken: dict[str, int] = {}
        for ask, of_ask in kinds.items():
            if count > sum(taken.values()):
                taken |= self._take(group, ask, count - sum(taken.values()), partial(_is_of, of_ask))
        return taken

    def _take(self, group: JobGroup, requested: Room, count: int, fits: Fits) -> dict[str, int]:
        ask = np.array(request_vector(requested, self.custom))
        roomy = np.ones(len(self.names), dtype=bool)
        for dimension in np.flatnonzero(ask > 0):
            roomy &= self.free[:, dimension] >= ask[dimension] - TINY
        if self.any_static:
            roomy &= self.free[:, 0] >= 0
        candidates = np.flatnonzero(roomy)
        there = np.bincount(self.kind[candidates], minlength=len(self.kinds)).tolist()
        allowed = np.array([n > 0 and fits(group, kind) for n, kind in zip(there, self.kinds, strict=True)])
        if not allowed.all():
            candidates = candidates[allowed[self.kind[candidates]]]
        if not candidates.size:
            return {}
        capacity = count_fits(self.free[candidates[:count]], ask)
        if self.any_static:
            capacity = np.where(self.static[candidates[:count]], np.minimum(capacity, 1), capacity)
        taken = fill_machines(capacity, count)
        hit = np.flatnonzero(taken)
        at = candidates[hit]
        self.free[at] -= taken[hit, None] * ask
        if self.any_static:
            self.free[at[self.static[at]]] = -1
        return {self.names[i]: n for i, n in zip(at.tolist(), taken[hit].tolist(), strict=True)}


def _is_of(kinds: Collection[str], _group: JobGroup, kind: str) -> bool:
    return kind in kinds


def fill_machines(capacity: Ints, count: int) -> Ints:
    """Return the number of jobs that each machine takes when ``count`` jobs fill them in order."""
    before = np.cumsum(capacity) - capacity
    return np.asarray(np.clip(count - before, 0, capacity), dtype=np.int64)


def _in_order(machines: Iterable[Machine], rank: Rank) -> list[Machine]:
    """Return machines in the order in which they are filled.

    Sorting by name and then by columns of numbers takes half the time of sorting thousands of tuples.
    """
    machines = sorted(machines, key=attrgetter("name"))
    if not machines:
        return machines
    free = rows(vector(machine.free) for machine in machines)
    empty = np.array([machine.free.cpus >= machine.total.cpus for machine in machines], dtype=bool)
    ranks = np.array([rank(machine) for machine in machines], dtype=np.float64)
    order = np.lexsort((free[:, 1], free[:, 0], *ranks.T[::-1], empty))
    return [machines[i] for i in order.tolist()]


def largest_first(groups: Iterable[JobGroup]) -> list[JobGroup]:
    """Return the groups by the request of one job, largest first."""
    groups = list(groups)
    custom = custom_resources(groups)
    asks = rows((request_vector(group.ask, custom) for group in groups), custom)
    top: Floats = asks.max(axis=0) if groups else np.ones(asks.shape[1])
    shares = asks / np.where(top > 0, top, 1)
    order = sorted(range(len(groups)), key=lambda i: (-float(shares[i].max()), -float(shares[i].sum()), groups[i].key))
    return [groups[i] for i in order]
