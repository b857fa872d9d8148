"""Placing job groups on the room there is, and on new machines for the rest. Pure.

Groups are placed first-fit decreasing, largest first. A group is placed by arithmetic on all machines at once, so the
time grows with groups times machines and not with jobs. The result does not depend on the order of the input.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from factory.fit.model import JobGroup, Machine, Offer, Room

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Fits = Callable[[JobGroup, str], bool]
"""Whether a group's jobs run on machines of a kind, or of a shape."""

_TINY = 1e-9


def vector(room: Room) -> Floats:
    """A room as numbers: cores, memory, disk, GPUs."""
    return np.array([room.cpus, room.memory_mb, room.disk_kb, room.gpus], dtype=np.float64)


def how_often(free: Floats, ask: Floats) -> Ints:
    """How often ``ask`` fits into each row of ``free``."""
    wanted = ask > 0
    if not wanted.any():
        raise ValueError("a job that asks for nothing fits without end")
    counts = np.floor(free[:, wanted] / ask[wanted] + _TINY).min(axis=1)
    return np.maximum(counts, 0).astype(np.int64)


def fill(capacity: Ints, count: int) -> Ints:
    """How many of ``count`` jobs each machine takes, in the order given."""
    before = np.concatenate(([0], np.cumsum(capacity)[:-1]))
    return np.clip(count - before, 0, capacity)


@dataclass(frozen=True)
class OnMachines:
    """Jobs placed on machines that are there or on their way."""

    placed: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Group key → machine name → jobs."""
    left: Mapping[str, int] = field(default_factory=dict)
    """Group key → jobs without room."""

    @property
    def used(self) -> frozenset[str]:
        """Names of machines that got a job."""
        return frozenset(name for of_group in self.placed.values() for name in of_group)


def place_on_machines(groups: Sequence[JobGroup], machines: Sequence[Machine], fits: Fits) -> OnMachines:
    """Place groups on machines, which are filled in the order of their rank: first those already at work."""
    machines = sorted((m for m in machines if not m.leaving), key=_rank)
    placed: dict[str, dict[str, int]] = {}
    left = {group.key: group.count for group in groups}
    if not machines:
        return OnMachines({}, left)
    free = np.array([vector(machine.free) for machine in machines])
    static = np.array([machine.static for machine in machines])
    kinds = {kind: i for i, kind in enumerate(sorted({machine.kind for machine in machines}))}
    kind = np.array([kinds[machine.kind] for machine in machines])
    for group in largest_first(groups):
        allowed = np.array([fits(group, name) for name in kinds])
        candidates = np.flatnonzero(allowed[kind] & (free[:, 0] > -_TINY))
        if not candidates.size:
            continue
        ask = vector(group.ask)
        capacity = how_often(free[candidates], ask)
        capacity = np.where(static[candidates], np.minimum(capacity, 1), capacity)
        taken = fill(capacity, left[group.key])
        free[candidates] -= taken[:, None] * ask
        free[candidates[static[candidates] & (taken > 0)]] = -1
        hit = np.flatnonzero(taken)
        if hit.size:
            placed[group.key] = {machines[candidates[i]].name: int(taken[i]) for i in hit}
            left[group.key] -= int(taken.sum())
    return OnMachines(placed, left)


def _rank(machine: Machine) -> tuple[bool, float, str]:
    """Machines at work before empty ones, so that the empty ones can go; then the fullest; then by name."""
    empty = machine.free.cpus >= machine.total.cpus
    return empty, machine.free.cpus, machine.name


def largest_first(groups: Iterable[JobGroup]) -> list[JobGroup]:
    """Groups by what one job asks for, largest first."""
    groups = list(groups)
    top = np.maximum.reduce([vector(group.ask) for group in groups]) if groups else np.zeros(4)
    scale = np.where(top > 0, top, 1)

    def rank(group: JobGroup) -> tuple[float, float, str]:
        share = vector(group.ask) / scale
        return -float(share.max()), -float(share.sum()), group.key

    return sorted(groups, key=rank)


@dataclass(frozen=True)
class NewMachine:
    """A machine to buy, and the jobs it is bought for."""

    offer: Offer
    jobs: Mapping[str, int]
    """Group key → jobs."""

    @property
    def value(self) -> float:
        """Jobs placed for its cost."""
        return sum(self.jobs.values()) / self.offer.cost


@dataclass
class _Bin:
    """So many equal machines to buy, with what is left on each."""

    offer: int
    count: int
    jobs: tuple[tuple[str, int], ...]


class _Bins:
    """Machines to buy; equal ones are one row."""

    def __init__(self, offers: Sequence[Offer]) -> None:
        self.offers = offers
        self.rooms = np.array([vector(offer.room) for offer in offers]).reshape(len(offers), 4)
        self.free = np.zeros((0, 4))
        self.bins: list[_Bin] = []

    def place(self, group: JobGroup, count: int, allowed: Sequence[int]) -> int:
        """Place on what was opened already, then open the cheapest; returns jobs without room."""
        ask = vector(group.ask)
        count = self._fill(group, ask, count, set(allowed))
        return self._open(group, ask, count, allowed) if count else 0

    def _fill(self, group: JobGroup, ask: Floats, count: int, allowed: set[int]) -> int:
        if not self.bins:
            return count
        each = how_often(self.free, ask)
        each[[b.offer not in allowed for b in self.bins]] = 0
        for i in np.flatnonzero(each):
            if not count:
                break
            count -= self._into(int(i), group.key, ask, int(each[i]), count)
        return count

    def _into(self, i: int, key: str, ask: Floats, each: int, count: int) -> int:
        """Fill row i: all its machines alike, or some full, one in part, and the rest as they were."""
        row = self.bins[i]
        full, rest = divmod(min(count, each * row.count), each)
        free = self.free[i].copy()
        if full < row.count:
            spare = row.count - full - (1 if rest else 0)
            if spare:
                self._add(_Bin(row.offer, spare, row.jobs), free)
            if rest:
                self._add(_Bin(row.offer, 1, (*row.jobs, (key, rest))), free - rest * ask)
        row.count = full
        if full:
            row.jobs = (*row.jobs, (key, each))
            self.free[i] = free - each * ask
        else:
            self.free[i] = -1
        return full * each + rest

    def _open(self, group: JobGroup, ask: Floats, count: int, allowed: Sequence[int]) -> int:
        each = how_often(self.rooms, ask)
        possible = [i for i in allowed if each[i] > 0]
        if not possible:
            return count

        def price(i: int) -> tuple[float, str]:
            """Cost for each job: of a machine that is filled, or of all these jobs if they fill none."""
            machines = math.ceil(count / int(each[i]))
            return self.offers[i].cost * machines / count, str(self.offers[i].shape)

        best = min(possible, key=price)
        full, rest = divmod(count, int(each[best]))
        room = self.rooms[best]
        if full:
            self._add(_Bin(best, full, ((group.key, int(each[best])),)), room - each[best] * ask)
        if rest:
            self._add(_Bin(best, 1, ((group.key, rest),)), room - rest * ask)
        return 0

    def _add(self, row: _Bin, free: Floats) -> None:
        self.bins.append(row)
        self.free = np.vstack([self.free, free])

    @property
    def cost(self) -> float:
        return sum(self.offers[row.offer].cost * row.count for row in self.bins)


@dataclass(frozen=True)
class Purchase:
    """Machines to buy, the most valuable first, and the jobs that no offer can ever serve."""

    machines: tuple[NewMachine, ...] = ()
    unserved: Mapping[str, int] = field(default_factory=dict)
    """Group key → jobs that no offered shape has room for, or that match none."""


_Order = Callable[[JobGroup, Floats], tuple[float, ...]]

_ORDERS: tuple[_Order, ...] = (
    lambda group, scale: (-float((vector(group.ask) / scale).max()),),
    lambda group, scale: (-float((vector(group.ask) / scale).sum()),),
    lambda group, scale: (-group.ask.cpus, -group.ask.memory_mb),
    lambda group, scale: (-group.ask.memory_mb, -group.ask.cpus),
)
"""Orders in which first-fit decreasing is tried; the cheapest result counts."""

MANY = 300
"""Groups from which on only the first order is tried."""


def buy(groups: Sequence[JobGroup], left: Mapping[str, int], offers: Sequence[Offer], fits: Fits) -> Purchase:
    """Machines for the jobs that are left, each of the shape with the least cost for each job placed."""
    waiting = [group for group in groups if left.get(group.key, 0) > 0 and group.problem is None]
    if not waiting:
        return Purchase()
    allowed = {g.key: [i for i, offer in enumerate(offers) if fits(g, str(offer.shape))] for g in waiting}
    scale = np.maximum.reduce([vector(offer.room) for offer in offers]) if offers else np.ones(4)
    scale = np.where(scale > 0, scale, 1)
    best: tuple[_Bins, dict[str, int]] | None = None
    for order in _ORDERS if len(waiting) < MANY else _ORDERS[:1]:
        bins, unserved = _Bins(offers), {}
        for group in sorted(waiting, key=lambda g, order=order: (*order(g, scale), g.key)):  # type: ignore[misc]
            missing = bins.place(group, left[group.key], allowed[group.key])
            if missing:
                unserved[group.key] = missing
        if best is None or bins.cost < best[0].cost - _TINY:
            best = bins, unserved
    assert best is not None
    bins, unserved = best
    machines = [NewMachine(offers[row.offer], _together(row.jobs)) for row in bins.bins for _ in range(row.count)]
    return Purchase(tuple(sorted(machines, key=_most_valuable)), unserved)


def _together(jobs: Iterable[tuple[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for key, n in jobs:
        total[key] = total.get(key, 0) + n
    return total


def _most_valuable(machine: NewMachine) -> tuple[float, str, tuple[tuple[str, int], ...]]:
    return -machine.value, str(machine.offer.shape), tuple(sorted(machine.jobs.items()))
