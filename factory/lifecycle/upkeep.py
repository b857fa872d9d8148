"""Upkeep of VMs, due in every round: repeat commands, clear marks, handle VM jobs on hold. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from factory.lifecycle.held_jobs import HeldJob
from factory.lifecycle.removal import limit_jobs
from factory.lifecycle.situation import Situation
from factory.lifecycle.unresponsive import ignores_retire
from factory.model.actions import Action, ClearRetire, Remove, Retire
from factory.model.vm import IN_POOL, TERMINATED, VM, VMState


def upkeep(situation: Situation, unretired: Collection[str]) -> Iterator[Action]:
    """Return the actions that VMs need in any case, except for a repeated retire of VMs ``unretired`` in this round."""
    queue = situation.policy.queue
    for vm in situation.vms:
        if ignores_retire(vm) and vm.uuid not in unretired and not situation.recently_sent(vm):
            yield _retire_again(situation, vm)
        if vm.unretired and vm.state in IN_POOL:
            yield ClearRetire(queue=queue, vm=vm, reason="in service again")
        if vm.state is VMState.HELD:
            sent, repeat_s = situation.last_sent(vm), situation.patience_s(vm)
            action = HeldJob(vm).action(sent, repeat_s, situation.retire_method(vm), situation.now)
            if isinstance(action, Remove) and (vm.grid_status or "").lower() in TERMINATED:
                yield limit_jobs(situation, action, vm)
            elif action is not None:
                yield action


def _retire_again(situation: Situation, vm: VM) -> Retire:
    return Retire(
        queue=situation.policy.queue,
        vm=vm,
        method=situation.retire_method(vm),
        repeat=True,
        attempt=situation.attempt(vm, "retire"),
        reason="asked to retire; its ads do not show it yet",
    )
