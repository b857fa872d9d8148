"""Ramp down: retire VMs that are not needed, that near the end of their lease, or that were never claimed. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from factory.lifecycle.removal import cancel
from factory.lifecycle.retire_order import retire_order
from factory.lifecycle.situation import Situation
from factory.model.actions import Plan, Remove, Retire
from factory.model.ask import Ask
from factory.model.vm import IN_POOL, VM, JobId, VMState, counted

_CAN_RETIRE = IN_POOL | {VMState.BOOTING}


def ramp_down(situation: Situation, ask: Ask, removed: Collection[JobId]) -> Plan:
    """Retire the victims of the ask, then the least useful VMs, up to the number asked for.

    A victim that is gone already is not replaced by another VM. VM jobs in ``removed`` are removed in this round.
    """
    order = retire_order(situation.vms, situation.policy.ondemand_first)
    by_uuid = {vm.uuid: vm for vm in order}
    named = [by_uuid[uuid] for uuid in ask.victims if uuid in by_uuid]
    more = -ask.n - len(ask.victims)
    order.sort(key=lambda vm: not situation.lease_ends_soon(vm))
    rest = [vm for vm in order if vm.uuid not in ask.victims][: max(0, more)]
    victims = [vm for vm in (*named, *rest) if vm.job not in removed]
    number = -ask.n if ask.n < 0 else len(ask.victims)
    actions = tuple(_retire_unneeded(situation, vm) for vm in victims[:number])
    notes = () if len(actions) == number else (f"only {len(actions)} of {counted(number, 'VM')} can retire",)
    return Plan(actions, notes)


def expiring_leases(situation: Situation, retired: Collection[JobId]) -> Iterator[Retire]:
    """Retire VMs whose lease ends soon, the earliest end first; skip VM jobs that retire already."""
    for vm in sorted(situation.vms, key=lambda vm: vm.lease_end or 0):
        if vm.state in _CAN_RETIRE and vm.job not in retired and situation.lease_ends_soon(vm):
            left = max(0, (vm.lease_end or 0) - situation.now)
            reason = f"lease ends in {left:.0f} s; retire now so that its jobs can finish{_eviction_warning(vm)}"
            yield _retire(situation, vm, reason)


def never_claimed(situation: Situation, retired: Collection[JobId]) -> Iterator[Retire]:
    """Retire VMs that joined longer than ``jobtimeout`` ago and were never claimed."""
    for vm in situation.vms:
        why = situation.policy.timeouts.never_claimed(vm, situation.now)
        if why is not None and vm.job not in retired and not situation.lease_ends_soon(vm):
            yield _retire(situation, vm, why)


def _retire_unneeded(situation: Situation, vm: VM) -> Retire | Remove:
    if vm.state is VMState.SUBMITTED:
        return cancel(situation, vm, "not needed, no instance yet")
    return _retire(situation, vm, f"not needed: {vm.state.value}, {vm.why}{_eviction_warning(vm)}")


def _retire(situation: Situation, vm: VM, reason: str) -> Retire:
    return Retire(queue=situation.policy.queue, vm=vm, method=situation.retire_method(vm), reason=reason)


def _eviction_warning(vm: VM) -> str:
    return "; this may evict a job that set its own MaxJobRetirementTime" if vm.evictable else ""
