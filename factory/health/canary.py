"""A new image or user-data starts with one machine, and grows only after that one has joined and run a job. Pure.

A *build* is the image and the user-data of a machine. What is known of builds is derived from the VM jobs that are
there and from what the process remembers; a restart may forget it, towards one machine at a time (rule 1).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from factory.model.shape import Shape
from factory.model.vm import RUNNING, VM, VMState

PROVEN = "proven"

_ENDED = frozenset({VMState.DONE, VMState.RETIRED})


def proven_builds(vms: Iterable[VM]) -> set[str]:
    """Builds of which a machine has joined and a job has run on it, or does."""
    return {vm.build for vm in vms if vm.build and (vm.state in RUNNING or vm.claims > 0)}


def hold_back_unproven(
    builds: Mapping[str, str], known: Collection[str], shapes: Iterable[Shape], vms: Iterable[VM]
) -> tuple[tuple[Shape, ...], list[str]]:
    """Of these shapes, one for each machine to buy, those that may be bought; and notes on the others.

    ``builds``: by ``str(shape)``; a shape without one is not asked about. ``known``: builds that are proven.
    """
    shapes = tuple(shapes)
    there = {vm.build for vm in vms if vm.state not in _ENDED}
    kept: list[Shape] = []
    fewer: dict[str, str] = {}
    for shape in shapes:
        build = builds.get(str(shape))
        if build is None or build in known:
            kept.append(shape)
        elif build in there:
            fewer[build] = shape.image
        else:
            kept.append(shape)
            there.add(build)
    notes = [
        f"{len(kept)} of {len(shapes)} bought. canary: one machine first shows that {image} with this user-data joins "
        "and runs a job"
        for image in fewer.values()
    ]
    return tuple(kept), notes


def canary_states(builds: Mapping[str, str], known: Collection[str], vms: Iterable[VM]) -> dict[str, str]:
    """What is known of each image with its user-data, for people."""
    at_work = {vm.build: vm for vm in vms if vm.state not in _ENDED}
    found = {}
    for shape, build in builds.items():
        vm = at_work.get(build)
        seen = "no machine yet" if vm is None else f"VM {vm.uuid} is {vm.state.value}: {vm.why}"
        found[shape.partition("/")[0]] = PROVEN if build in known else f"one machine first; {seen}"
    return found
