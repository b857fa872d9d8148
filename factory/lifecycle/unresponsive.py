"""Machines that are told to leave again and again and show no sign of it: a note for people. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from factory.model.memory import Memory
from factory.model.vm import VM, VMState

_IN_VAIN = 3
"""Commands in a row after which it is no matter of patience."""


def unresponsive_note(vms: Iterable[VM], memory: Memory) -> Iterator[str]:
    """A note on VMs that do not obey: they are told ever more rarely, and end by their own timers or their lease."""
    told = [(memory.attempts[vm.uuid], vm) for vm in vms if ignores_retire(vm) and vm.uuid in memory.attempts]
    many = [(known.times, vm) for known, vm in told if known.what == "retire" and known.times >= _IN_VAIN]
    if many:
        times, worst = max(many, key=lambda each: each[0])
        yield (
            f"machines that do not obey: {len(many)}; {worst.startd} of VM job {worst.job} was told to retire "
            f"{times} times and shows no sign of it, the log says why (authorization, reach, CCB)"
        )


def ignores_retire(vm: VM) -> bool:
    """Whether a VM was asked to leave, is in the pool, and shows no sign of it."""
    return vm.state is VMState.RETIRING and vm.asked_to_retire and not vm.retire_seen and vm.startd is not None


LONGEST_PATIENCE_S = 3600
"""A machine that does not obey, or can't be reached, is told again at least so often."""


def patience_s(memory: Memory, uuid: str, first_s: float) -> float:
    """How long to wait for the effect of the last command to a VM: ``first_s``, doubled for each one in vain."""
    known = memory.attempts.get(uuid)
    doubled = first_s * 2.0 ** min(0 if known is None else known.times - 1, 20)
    return max(first_s, min(doubled, LONGEST_PATIENCE_S))
