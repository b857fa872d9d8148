"""Ramp up: unretire VMs that are leaving, then submit new ones. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from factory.health import canary
from factory.health.breakers import filter_shapes
from factory.lifecycle.situation import Situation
from factory.model.actions import Plan, Submit, Unretire
from factory.model.ask import Ask
from factory.model.shape import Shape
from factory.model.vm import VM, VMState, counted

_UNRETIRE_ATTEMPTS = 2
"""After this many attempts to unretire a VM, a new one is bought in its place."""


def vms_to_unretire(situation: Situation, ask: Ask) -> list[VM]:
    """Return the retiring VMs that can serve this ask, the soonest back first.

    Each VM asked for unretires at most one VM of its shape; without shapes in the ask any VM will do. VMs that retired
    because no waiting job can use them stay retired, and so do VMs whose lease ends soon.
    """
    useless = situation.memory.fit.useless
    leaving = [vm for vm in situation.vms if _can_come_back(vm) and vm.uuid not in useless]
    leaving = [vm for vm in leaving if not situation.lease_ends_soon(vm)]
    leaving.sort(key=_return_order)
    if not ask.shapes:
        return leaving[: ask.n]
    wanted = Counter(map(str, _asked_shapes(situation, ask)))
    back = []
    for vm in leaving:
        if wanted[vm.shape] > 0:
            wanted[vm.shape] -= 1
            back.append(vm)
    return back


def ramp_up(situation: Situation, ask: Ask, back: Sequence[VM]) -> Plan:
    """Unretire the VMs ``back``, then buy the rest of the ask within ``maxinstances``, breakers and canaries."""
    unretire = unretire_vms(situation, back)
    shapes, notes = _within_hard_cap(situation, _shapes_to_buy(situation, ask, back))
    if not shapes:
        return Plan(tuple(unretire), tuple(notes))
    policy, health = situation.policy, situation.health
    shapes, breaker_notes = filter_shapes(health, shapes, situation.vms, situation.now)
    shapes, canary_notes = canary.hold_back_unproven(policy.builds, health.proven, shapes, situation.vms)
    reason = f"{len(shapes)} of {ask.n} asked for" + (f", {len(back)} unretired" if back else "")
    by_market = [tuple(s for s in shapes if s.spot == spot) for spot in dict.fromkeys(s.spot for s in shapes)]
    submits = [
        Submit(queue=policy.queue, n=len(same), shapes=same, unowned=situation.batch.unowned, reason=reason)
        for same in by_market
    ]
    return Plan((*unretire, *submits), (*notes, *breaker_notes, *canary_notes))


def unretire_vms(situation: Situation, vms: Sequence[VM]) -> list[Unretire]:
    """Return the commands that unretire these VMs, without those that were sent a moment ago."""
    queue, reason = situation.policy.queue, "needed again; unretire before buying"
    return [
        Unretire(queue=queue, vm=vm, attempt=situation.attempt(vm, "unretire"), reason=reason)
        for vm in vms
        if not (vm.unretired and situation.recently_sent(vm))
    ]


def _within_hard_cap(situation: Situation, shapes: tuple[Shape, ...]) -> tuple[tuple[Shape, ...], list[str]]:
    """Return the VMs to buy that ``maxinstances`` has room for (rule 6), and a note if it cuts some."""
    cap, there = situation.policy.maxinstances, situation.batch.may_own_instance
    if cap is None or there + len(shapes) <= cap:
        return shapes, []
    room = max(0, cap - there)
    note = f"maxinstances = {cap}: {counted(there, 'VM')} {'exists' if there == 1 else 'exist'}, room for {room} of "
    note += f"{len(shapes)}"
    if situation.batch.ending:
        note += f"; {situation.batch.ending} of them left the queue, and the cloud has not confirmed their end"
    return shapes[:room], [note]


def _asked_shapes(situation: Situation, ask: Ask) -> tuple[Shape, ...]:
    """Return the shape of each machine that is asked for."""
    first = ask.shapes[0] if ask.shapes else situation.policy.shape
    return ask.shapes[: ask.n] + (first,) * (ask.n - len(ask.shapes))


def _shapes_to_buy(situation: Situation, ask: Ask, back: Sequence[VM]) -> tuple[Shape, ...]:
    """Return the shapes asked for that the VMs to unretire do not cover."""
    returning = [vm for vm in back if _counts_as_capacity(situation, vm)]
    shapes = _asked_shapes(situation, ask)
    if not ask.shapes:
        return shapes[: max(0, ask.n - len(returning))]
    covered, rest = Counter(vm.shape for vm in returning), []
    for shape in shapes:
        covered[str(shape)] -= 1
        if covered[str(shape)] < 0:
            rest.append(shape)
    return tuple(rest)


def _counts_as_capacity(situation: Situation, vm: VM) -> bool:
    """True if a VM that is unretired now counts as capacity (rule 7)."""
    if situation.attempt(vm, "unretire") > _UNRETIRE_ATTEMPTS:
        return False
    return vm.claims == 0 or vm.drain is not None or not vm.retire_seen


def _can_come_back(vm: VM) -> bool:
    """True if this factory retired the VM; a retirement by an administrator or by condor_defrag stands."""
    if vm.state is VMState.RETIRED:
        return vm.startd is not None and vm.retire_time is not None
    if vm.state is not VMState.RETIRING:
        return False
    return vm.retire_time is not None if vm.drain is None else vm.drain.ours


def _return_order(vm: VM) -> tuple[int, float, str]:
    """Sort key: a cancelled drain is back at once, a startd that left in seconds, one with claims when they end."""
    soon = 0 if vm.drain is not None else 1 if vm.claims == 0 else 2
    return soon, -(vm.retire_time or 0), vm.uuid
