"""Detect that many startds disappeared at once; a second source must confirm it before VMs end. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from factory.model.memory import Seen
from factory.model.vm import TERMINATED, VM, VMState, counted

_MAX_FRACTION = 0.3
"""A loss of more than one startd, and of more than this fraction of them at once, is suspect."""
_ENDED = {*TERMINATED, "not-found"}
"""States that the gridmanager reports of an instance that has ended."""


@dataclass(frozen=True, slots=True)
class MassLoss:
    """Many startds disappeared at once without being asked to retire."""

    text: str
    fresh: bool
    """True if it has just happened: no VMs are bought in their place yet."""


def detect_mass_loss(
    vms: Iterable[VM], seen: Mapping[str, Seen], fresh_s: float, longest_s: float, now: float
) -> MassLoss | None:
    """Return a mass loss if many startds left within ``fresh_s`` of each other and the cloud does not confirm it.

    A startd whose instance has ended, by the gridmanager's word, did leave. The others are unknown (rule 2): a
    collector that shows a part of the pool looks the same. After ``longest_s`` the loss is believed. By then no job
    can be running on these VMs, and each one is queried once more before it is removed.
    """
    known = [(vm, seen[vm.uuid]) for vm in vms if vm.uuid in seen and not vm.asked_to_retire]
    there = sum(sighting.gone is None for _, sighting in known)
    left = _left(known, longest_s, now)
    recent = [gone for gone, _ in left if now - gone < fresh_s]
    if len(recent) > max(1, _MAX_FRACTION * (there + len(recent))):
        loss = _loss(len(recent), there + len(recent), fresh_s)
        return MassLoss(f"{loss}; pausing purchases, removals and retirements (possible collector outage)", fresh=True)
    doubtful = [gone for gone, status in left if status.lower() not in _ENDED]
    most = _most_within(doubtful, fresh_s)
    if most <= max(1, _MAX_FRACTION * (there + len(doubtful))):
        return None
    until = max(doubtful) + longest_s - now
    return MassLoss(
        f"{_loss(most, there + len(doubtful), fresh_s)}, but the cloud does not report their instances as ended; "
        f"pausing removals and retirements for at most {until:.0f} s",
        fresh=False,
    )


def _left(known: Iterable[tuple[VM, Seen]], longest_s: float, now: float) -> list[tuple[float, str]]:
    """Return the epoch at which each missing startd left, and the state of its instance; the earliest first."""
    return sorted(
        (sighting.gone, vm.grid_status or "")
        for vm, sighting in known
        if sighting.gone is not None and vm.state is not VMState.DONE and now - sighting.gone < longest_s
    )


def _most_within(times: Collection[float], within_s: float) -> int:
    """Return the largest number of these times that lie within a window."""
    return max((sum(0 <= each - first < within_s for each in times) for first in times), default=0)


def _loss(lost: int, of: int, within_s: float) -> str:
    return f"{lost} of {counted(of, 'startd')} disappeared within {within_s:.0f} s"
