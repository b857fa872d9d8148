"""VMs that show no effect of the command to retire: when to send it again, and a note for people. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from factory.model.memory import Memory
from factory.model.vm import VM, VMState, counted

_NOTE_AFTER = 3
"""Commands in a row without effect after which a person is told."""

LONGEST_PATIENCE_S = 3600
"""Longest time between two commands to a VM that ignores them or can't be reached."""


def unresponsive_note(vms: Iterable[VM], memory: Memory) -> Iterator[str]:
    """Yield a note on VMs that ignore the command to retire.

    They get it ever more rarely, and end by their own timers or their lease.
    """
    sent = [(memory.attempts[vm.uuid], vm) for vm in vms if ignores_retire(vm) and vm.uuid in memory.attempts]
    ignored = [(last.times, vm) for last, vm in sent if last.what == "retire" and last.times >= _NOTE_AFTER]
    if ignored:
        times, worst = max(ignored, key=lambda each: each[0])
        verb = "ignores" if len(ignored) == 1 else "ignore"
        yield (
            f"{counted(len(ignored), 'VM')} {verb} the command to retire; it was sent {times} times to {worst.startd} "
            f"(VM job {worst.job}): see the log for its error (authorization, network, CCB)"
        )


def ignores_retire(vm: VM) -> bool:
    """True if a VM was asked to retire, is in the pool, and its ads show no retirement."""
    return vm.state is VMState.RETIRING and vm.asked_to_retire and not vm.retire_seen and vm.startd is not None


def patience_s(memory: Memory, uuid: str, first_s: float) -> float:
    """Return the seconds to wait for the effect of the last command to a VM.

    This is ``first_s``, doubled for each command in a row without effect, up to ``LONGEST_PATIENCE_S``.
    """
    last = memory.attempts.get(uuid)
    doubled = first_s * 2.0 ** min(0 if last is None else last.times - 1, 20)
    return max(first_s, min(doubled, LONGEST_PATIENCE_S))
