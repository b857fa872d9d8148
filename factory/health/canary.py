"""Canaries: a new image or user-data starts with one VM and grows after it has joined and run a job. Pure.

A *build* is the image and the user-data of a VM. Proven builds follow from the VM jobs in the queue and from what the
process remembers. A restart may forget them, which costs one more canary (rule 1).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from factory.model.shape import Shape
from factory.model.vm import RUNNING, VM, VMState

PROVEN = "proven"

_ENDED = frozenset({VMState.DONE, VMState.RETIRED})


def proven_builds(vms: Iterable[VM]) -> set[str]:
    """Return the builds of which a VM has joined and has run, or runs, a job."""
    return {vm.build for vm in vms if vm.build and (vm.state in RUNNING or vm.claims > 0)}


def hold_back_unproven(
    builds: Mapping[str, str], known: Collection[str], shapes: Iterable[Shape], vms: Iterable[VM]
) -> tuple[tuple[Shape, ...], list[str]]:
    """Return those of the shapes, one for each VM to buy, that canaries let through; and notes on the others.

    Args:
        builds: ``str(shape)`` → build; a shape without one needs no canary.
        known: Builds that are proven.
        shapes: The shape of each VM to buy.
        vms: All VMs of the queue.
    """
    shapes = tuple(shapes)
    there = {vm.build for vm in vms if vm.state not in _ENDED}
    kept: list[Shape] = []
    unproven: dict[str, str] = {}
    for shape in shapes:
        build = builds.get(str(shape))
        if build is None or build in known:
            kept.append(shape)
        elif build in there:
            unproven[build] = shape.image
        else:
            kept.append(shape)
            there.add(build)
    notes = [
        f"{len(kept)} of {len(shapes)} bought; canary: one VM of {image} with this user-data must join and run a job "
        "first"
        for image in unproven.values()
    ]
    return tuple(kept), notes


def canary_states(builds: Mapping[str, str], known: Collection[str], vms: Iterable[VM]) -> dict[str, str]:
    """Return the state of each image with its user-data, for people."""
    canaries = {vm.build: vm for vm in vms if vm.state not in _ENDED}
    states = {}
    for shape, build in builds.items():
        vm = canaries.get(build)
        progress = "none bought yet" if vm is None else f"VM {vm.uuid} is {vm.state.value}, {vm.why}"
        states[shape.partition("/")[0]] = PROVEN if build in known else f"one VM first; {progress}"
    return states
