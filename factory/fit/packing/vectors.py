"""Rooms as rows of numbers, so that many are compared at once. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized

import numpy as np
from numpy.typing import NDArray

from factory.model.demand import JobGroup, Room

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

Vector = tuple[float, ...]
"""Amounts of each resource."""

_MOST = 1 << 40
"""More jobs than any machine takes, for those that request only what a machine does not limit."""
TINY = 1e-9
"""The most by which two sums of the same numbers differ."""


def custom_resources(groups: Iterable[JobGroup]) -> tuple[str, ...]:
    """Return the names of the custom resources that are requested, sorted."""
    names: set[str] = set()
    for group in groups:
        if group.ask.custom or group.custom:
            names.update(group.custom, (name for name, _ in group.ask.custom))
    return tuple(sorted(names))


def vector(room: Room, custom: Sequence[str] = ()) -> Vector:
    """Return the room of a machine as numbers: cores, memory, disk, GPUs, and these custom resources."""
    if not custom:
        return room.cpus, room.memory_mb, room.disk_kb, room.gpus
    return room.cpus, room.memory_mb, room.disk_kb, room.gpus, *map(room.of, custom)


def request_vector(room: Room, custom: Sequence[str] = ()) -> Vector:
    """Return a request as numbers; an empty request becomes one core, so that a machine holds finitely many."""
    numbers: Vector = (room.cpus, room.memory_mb, room.disk_kb, room.gpus)
    if custom:
        requested = dict(room.custom)
        numbers += tuple([requested.get(name, 0.0) for name in custom])
    return numbers if any(numbers) else (1.0, *numbers[1:])


def rows(rooms: Iterable[Vector], custom: Sized = ()) -> Floats:
    """Return one row for each room, whose vectors have these custom resources."""
    return np.array(list(rooms), dtype=np.float64).reshape(-1, 4 + len(custom))


def count_fits(free: Floats, ask: Floats) -> Ints:
    """Return the number of times that ``ask`` fits into each row of ``free``."""
    counts: Floats | None = None
    for dimension in np.flatnonzero(ask > 0):
        times = free[:, dimension] / ask[dimension]
        counts = times if counts is None else np.minimum(counts, times)
    if counts is None:
        raise ValueError("a job that requests nothing fits any number of times")
    return np.clip(np.floor(counts + TINY), 0, _MOST).astype(np.int64)


def binding(asks: Floats) -> list[int]:
    """Return the dimensions that can run out; ``asks`` are in parts of a machine.

    A dimension of which every job takes no more than of another one never runs out first; typically disk.
    """
    kept = [d for d in range(asks.shape[1]) if (asks[:, d] > 0).any()] or [0]
    for d in sorted(kept, key=lambda d: float(asks[:, d].sum())):
        if len(kept) > 1 and any((asks[:, d] <= asks[:, other]).all() for other in kept if other != d):
            kept.remove(d)
    return kept
