"""A sudden fall of startds: the fault may be elsewhere, so nothing ends on it without a second source. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from factory.model.memory import Seen
from factory.model.vm import TERMINATED, VM, VMState

_PART = 0.3
"""A fall of more than this part of the startds at once, and of more than one, is suspect."""
GONE = {*TERMINATED, "not-found"}
"""What the gridmanager is told of an instance that is not there any more."""


@dataclass(frozen=True, slots=True)
class MassLoss:
    """Many startds left at once, unasked."""

    text: str
    fresh: bool
    """It has just happened: nothing is bought in their place yet."""


def detect_mass_loss(
    vms: Iterable[VM], seen: Mapping[str, Seen], fresh_s: float, longest_s: float, now: float
) -> MassLoss | None:
    """Whether many startds left within ``fresh_s`` of each other that the cloud does not say have ended (rule 2).

    A startd whose instance has ended, by the gridmanager's word, did leave. Of the others nobody knows: a collector
    that shows a part of the pool looks the same. After ``longest_s``, when no job can be running there any more and
    each is asked for once more before it is removed, the fall is believed.
    """
    known = {vm.uuid: (vm, seen[vm.uuid]) for vm in vms if vm.uuid in seen and not vm.asked_to_retire}
    there = sum(1 for _, what in known.values() if what.gone is None)
    left = sorted(
        (what.gone, vm.grid_status or "")
        for vm, what in known.values()
        if what.gone is not None and vm.state is not VMState.DONE and now - what.gone < longest_s
    )
    recent = [gone for gone, _ in left if now - gone < fresh_s]
    if len(recent) > max(1, _PART * (there + len(recent))):
        text = f"{len(recent)} of {there + len(recent)} startds left unasked within {fresh_s:.0f} s: "
        return MassLoss(text + "nothing is bought, removed or retired until they have been away for longer", fresh=True)
    doubtful = [gone for gone, status in left if status.lower() not in GONE]
    most = max((sum(1 for gone in doubtful if 0 <= gone - first < fresh_s) for first in doubtful), default=0)
    if most <= max(1, _PART * (there + len(doubtful))):
        return None
    until = max(doubtful) + longest_s - now
    return MassLoss(
        f"{most} of {there + len(doubtful)} startds left at once, and the cloud does not say that their "
        f"instances have ended: nothing is removed or retired until it does or they are back, {until:.0f} s at most",
        fresh=False,
    )
