"""Detect that many startds have another identity or instance than expected, so that nothing is concluded. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from factory.model.vm import VM, counted

_MAX_FRACTION = 0.3
"""With more than one mismatch, and more than this fraction of the VMs, the expectation is more likely wrong."""


def identity_mismatch(vms: Sequence[VM]) -> str | None:
    """Return the reason why nothing may be bought, removed or retired; None with few mismatches or none.

    A changed trust domain or mapfile gives all startds another identity, those of newly bought VMs too.
    """
    foreign = [vm for vm in vms if vm.foreign_startd]
    if len(foreign) <= max(1, _MAX_FRACTION * len(vms)):
        return None
    return (
        f"{len(foreign)} of {counted(len(vms), 'VM')} joined the pool with another identity or instance than expected "
        f"({foreign[0].why}); pausing purchases, removals and retirements: check TRUST_DOMAIN and the mapfile of the "
        "collector"
    )
