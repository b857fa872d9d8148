"""Startds under another identity than expected: where they are many, nothing is bought in their place. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from factory.model.vm import VM

_PART = 0.3
"""More than this part of the VMs, and more than one: then the fault is rather in what is expected of them."""


def identity_mismatch(vms: Sequence[VM]) -> str | None:
    """Why nothing may be bought, removed or retired; None: there are few strangers, or none.

    A trust domain or a mapfile that was changed makes strangers of all machines at once, and of those that would be
    bought in their place too.
    """
    strange = [vm for vm in vms if vm.foreign_startd]
    if len(strange) <= max(1, _PART * len(vms)):
        return None
    return (
        f"{len(strange)} of {len(vms)} VMs are in the pool under another identity, or as another instance "
        f"({strange[0].why}): nothing is bought, removed or retired until that is mended or they have left"
    )
