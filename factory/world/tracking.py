"""Track from poll to poll since when each state of a VM lasts. Pure.

The memory of the process may delay an action and never causes one (rule 1). A factory that has just started knows less
and does less, until it has polled long enough.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from factory.model.memory import Attempts, Memory, Seen

T = TypeVar("T")


def track(
    memory: Memory,
    machines: Collection[str],
    vm_jobs: Collection[str],
    now: float,
    masters: Collection[str] = (),
    empty: Collection[str] = (),
) -> Memory:
    """Return the memory after a poll of collector and schedd; VMs without a VM job are forgotten.

    Args:
        memory: The memory before the poll.
        machines: VMs whose startd is in the pool.
        vm_jobs: VMs whose VM job is in the queue.
        now: Epoch of the poll.
        masters: VMs whose master is in the pool.
        empty: VMs whose master reports that no startd runs, or whose instance has ended by the cloud's word.
    """
    vms = {uuid: seen for uuid in vm_jobs if (seen := _presence(memory.vms.get(uuid), uuid in machines, now))}
    without_startd = [uuid for uuid in vm_jobs if uuid not in machines]
    return replace(
        memory,
        vms=vms,
        sent=_only(vm_jobs, memory.sent),
        absent=_since(memory.absent, [uuid for uuid in without_startd if uuid not in masters], now),
        alone=_since(memory.alone, [uuid for uuid in without_startd if uuid in masters], now),
        proven=_since(memory.proven, [uuid for uuid in without_startd if uuid in empty], now),
        unseen=_since(memory.unseen, [uuid for uuid in vm_jobs if uuid not in vms], now),
        attempts=_only(vm_jobs, memory.attempts),
        refused=_only(vm_jobs, memory.refused),
    )


def _presence(seen: Seen | None, in_pool: bool, now: float) -> Seen | None:
    """Return the presence of a VM after a poll; None if its startd has never been seen."""
    if in_pool:
        return Seen(joined=seen.joined if seen else now)
    return seen if seen is None or seen.gone is not None else replace(seen, gone=now)


def _only(vm_jobs: Collection[str], by_vm: Mapping[str, T]) -> dict[str, T]:
    return {uuid: value for uuid, value in by_vm.items() if uuid in vm_jobs}


def _since(before: Mapping[str, float], uuids: Iterable[str], now: float) -> dict[str, float]:
    """Return the epoch since which each of these VMs is in a state, given the epochs of the last poll."""
    return {uuid: before.get(uuid, now) for uuid in uuids}


def remember_removals(memory: Memory, done: Mapping[str, bool]) -> Memory:
    """Return the memory after removals; ``done`` maps each VM to True if its removal succeeded."""
    refused = {uuid: times for uuid, times in memory.refused.items() if not done.get(uuid)}
    refused |= {uuid: refused.get(uuid, 0) + 1 for uuid, was in done.items() if not was}
    return replace(memory, refused=refused)


def remember_sent(memory: Memory, commands: Mapping[str, str], now: float) -> Memory:
    """Return the memory after commands were sent; ``commands`` maps each VM to the kind of its command."""
    attempts = dict(memory.attempts)
    for uuid, command in commands.items():
        last = memory.attempts.get(uuid)
        attempts[uuid] = Attempts(command, last.times + 1 if last is not None and last.what == command else 1)
    return replace(memory, sent={**memory.sent, **dict.fromkeys(commands, now)}, attempts=attempts)
