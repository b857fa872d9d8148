"""From an ask to actions on VMs: unretire before buying, retire the least useful first, keep the rules. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeGuard

from factory.health import canary
from factory.health.breakers import filter_shapes, update_breakers
from factory.lifecycle.foreign_startds import identity_mismatch
from factory.lifecycle.held_jobs import HeldJob, held_by_person
from factory.lifecycle.launch_failures import failures, overdue
from factory.lifecycle.mass_loss import MassLoss, detect_mass_loss
from factory.lifecycle.policy import VMPolicy
from factory.lifecycle.retire_order import retire_order
from factory.lifecycle.unresponsive import ignores_retire, patience_s, unresponsive_note
from factory.model.actions import Action, ClearRetire, Method, Plan, Remove, Retire, Submit, Unretire
from factory.model.ask import Ask
from factory.model.job_status import JobStatus
from factory.model.memory import Health, Memory
from factory.model.shape import Shape
from factory.model.status import BatchStatus
from factory.model.vm import IN_POOL, VM, JobId, VMState

NO_INSTANCE = f"JobStatus == {JobStatus.IDLE} && EC2InstanceName =?= undefined"
"""Over the job ad: a VM job without an instance."""

_IN_VAIN = 2
"""A VM that was called back so often and has not come is not waited for."""
_SETTLE_S = 120
"""A startd that was called back is waited for this long before its VM may be removed as empty."""


def plan(life: VMPolicy, ask: Ask, batch: BatchStatus, memory: Memory, now: float) -> Plan:
    """Actions for this ask, and what is due in any case.

    n > 0: retiring VMs of the shapes asked for are taken back first, shape by shape, the rest is bought, never more
    than ``maxinstances`` VM jobs in all. n < 0: the victims of the ask, then VM jobs without an instance, then
    booting VMs, then idle ones (longest idle first), then busy ones, which finish their jobs. Else only its victims.
    """
    ramp = _Ramp(life, batch, memory, now)
    back = ramp.taken_back(ask) if ask.n > 0 else []
    kept = {vm.uuid for vm in back}
    up = ramp.up(ask, back) if ask.n > 0 else Plan()
    upkeep = list(ramp.upkeep(kept))
    removals = [*ramp.removals(kept), *(action for action in upkeep if _ends_an_instance(action))]
    begins = tuple(action for action in upkeep if isinstance(action, Retire) and not action.repeat)
    upkeep = [action for action in upkeep if not _ends_an_instance(action) and action not in begins]
    down = ramp.down(ask, {action.job for action in removals}) if ask.n < 0 or ask.victims else Plan()
    asked = {action.vm.job for action in down.actions if isinstance(action, Retire)}
    leaving = (*begins, *ramp.lease_ends(asked), *ramp.never_claimed(asked), *down.actions)
    limit = max(1, int(life.removefraction * len(batch.vms)))
    notes = list(up.notes + down.notes)
    fall = ramp.sudden_fall()
    notes += [*held_by_person(batch.vms), *unresponsive_note(batch.vms, memory)]
    if fall is not None:
        calm = _no_purchase(up.actions) if fall.fresh else up.actions
        return Plan((*calm, *upkeep), (*notes, fall.text), ramp.health)
    strange = identity_mismatch(batch.vms)
    if strange is not None:
        return Plan((*_no_purchase(up.actions), *upkeep), (*notes, strange), ramp.health)
    for kind, wanted in (("removals", len(removals)), ("retirements", len(leaving))):
        if wanted > limit:
            notes.append(f"{limit} of {wanted} {kind} this round: no more of {len(batch.vms)} VMs at once")
    actions = (*up.actions, *upkeep, *removals[:limit], *leaving[:limit])
    return Plan(actions, tuple(notes), ramp.health)


def _ends_an_instance(action: Action) -> TypeGuard[Remove]:
    return isinstance(action, Remove) and action.vm is not None and action.vm.instance is not None


def _no_purchase(actions: Iterable[Action]) -> tuple[Action, ...]:
    return tuple(action for action in actions if not isinstance(action, Submit))


class _Ramp:
    """The VMs of a queue as one round sees them."""

    def __init__(self, life: VMPolicy, batch: BatchStatus, memory: Memory, now: float) -> None:
        self.life = life
        self._repeat_s = life.repeat_s(batch.vms)
        self.batch = batch
        self.memory = memory
        self.now = now
        known = memory.health.get(life.queue, Health())
        self._late = overdue(batch.vms, life.timeouts, memory, now)
        faults = failures(batch.vms, life.timeouts, memory, self._late, now)
        health = update_breakers(known, batch.vms, faults, now, memory.ended, memory.missing, memory.alive)
        self.health = replace(health, canaries=canary.canary_states(life.builds, health.proven, batch.vms))
        """What is known of the machines that were bought, with what this round shows."""

    def taken_back(self, ask: Ask) -> list[VM]:
        """VMs that are leaving and can serve this ask instead of new ones, the soonest back first.

        For each machine asked for one of its shape at most; any, if the ask names no shapes. None that left because the
        waiting jobs can't use it.
        """
        useless = self.memory.fit.useless
        leaving = [vm for vm in self.batch.vms if _can_come_back(vm) and vm.uuid not in useless]
        leaving = [vm for vm in leaving if not self._ends_soon(vm)]
        leaving.sort(key=_comes_back)
        if not ask.shapes:
            return leaving[: ask.n]
        wanted = Counter(map(str, self._shapes(ask)))
        back = []
        for vm in leaving:
            if wanted[vm.shape] > 0:
                wanted[vm.shape] -= 1
                back.append(vm)
        return back

    def up(self, ask: Ask, back: Sequence[VM]) -> Plan:
        wanted = "wanted again: unretire before buying"
        actions: list[Action] = [
            Unretire(queue=self.life.queue, vm=vm, attempt=self._attempt(vm, "unretire"), reason=wanted)
            for vm in back
            if not (vm.unretired and self._recently_sent(vm))
        ]
        shapes = self._rest(ask, [vm for vm in back if self._comes_soon(vm)])
        notes = []
        cap = self.life.maxinstances
        if cap is not None and self.batch.may_own_instance + len(shapes) > cap:
            room = max(0, cap - self.batch.may_own_instance)
            exist = f"{self.batch.may_own_instance} VMs exist"
            notes.append(f"maxinstances = {cap}: {exist}, room for {room} of {len(shapes)}")
            shapes = shapes[:room]
        if shapes:
            shapes, sifted = filter_shapes(self.health, shapes, self.batch.vms, self.now)
            shapes, kept_back = canary.hold_back_unproven(self.life.builds, self.health.proven, shapes, self.batch.vms)
            notes += sifted + kept_back
            reason = f"{len(shapes)} of {ask.n} asked for" + (f", {len(back)} taken back" if back else "")
            for market in dict.fromkeys(shape.spot for shape in shapes):
                same = tuple(shape for shape in shapes if shape.spot == market)
                bought = Submit(
                    queue=self.life.queue, n=len(same), shapes=same, orphans=self.batch.orphans, reason=reason
                )
                actions.append(bought)
        return Plan(tuple(actions), tuple(notes))

    def _shapes(self, ask: Ask) -> tuple[Shape, ...]:
        """The shape of each machine that is asked for."""
        first = ask.shapes[0] if ask.shapes else self.life.shape
        return ask.shapes[: ask.n] + (first,) * (ask.n - len(ask.shapes))

    def _rest(self, ask: Ask, back: Sequence[VM]) -> tuple[Shape, ...]:
        """What is still to be bought when these VMs are back."""
        shapes = self._shapes(ask)
        if not ask.shapes:
            return shapes[: max(0, ask.n - len(back))]
        there, rest = Counter(vm.shape for vm in back), []
        for shape in shapes:
            there[str(shape)] -= 1
            if there[str(shape)] < 0:
                rest.append(shape)
        return tuple(rest)

    def _comes_soon(self, vm: VM) -> bool:
        """Whether a VM that is called back is waited for; none that was called in vain (rule 7)."""
        if self._attempt(vm, "unretire") > _IN_VAIN:
            return False
        return vm.claims == 0 or vm.drain is not None or not vm.retire_seen

    def down(self, ask: Ask, leaving: set[JobId]) -> Plan:
        order = retire_order(self.batch.vms, self.life.ondemand_first)
        by_uuid = {vm.uuid: vm for vm in order}
        named = [by_uuid[uuid] for uuid in ask.victims if uuid in by_uuid]
        more = -ask.n - len(ask.victims)  # one that was named and has gone is not replaced by another
        order.sort(key=lambda vm: not self._ends_soon(vm))
        rest = [vm for vm in order if vm.uuid not in ask.victims][: max(0, more)]
        victims = [vm for vm in (*named, *rest) if vm.job not in leaving]
        number = -ask.n if ask.n < 0 else len(ask.victims)
        actions = tuple(self._leave(vm) for vm in victims[:number])
        notes = () if len(actions) == number else (f"only {len(actions)} VMs can leave",)
        return Plan(actions, notes)

    def _leave(self, vm: VM) -> Action:
        if vm.state is VMState.SUBMITTED:
            return self._cancel(vm, "not needed, no instance yet")
        reason = f"not needed: {vm.state.value}, {vm.why}{_may_evict(vm)}"
        return Retire(queue=self.life.queue, vm=vm, method=self._method(vm), reason=reason)

    def _cancel(self, vm: VM, reason: str) -> Remove:
        """Remove a VM job without an instance. It may have one all the same, whose id never came back."""
        return Remove(queue=self.life.queue, job=vm.job, still=NO_INSTANCE, vm=vm, absent=True, reason=reason)

    def _method(self, vm: VM) -> Method:
        if self.life.retire != "auto":
            return self.life.retire
        return "drain" if vm.claims else "off"

    def removals(self, kept: set[str]) -> Iterator[Remove]:
        """VM jobs to remove: proven empty, or far beyond the time that a VM may take (rules 5, 9).

        Those that were refused come last, so that they are in nobody's way.
        """
        refused = self.memory.refused
        for vm in sorted(self.batch.vms, key=lambda vm: refused.get(vm.uuid, 0)):
            if vm.state is VMState.RETIRED and vm.uuid not in kept and not self._coming_back(vm):
                still = f'JobStatus == {vm.job_status} && EC2InstanceName == "{vm.instance}"'
                yield Remove(queue=self.life.queue, job=vm.job, still=still, vm=vm, reason=f"empty: {vm.why}")
            late = self._late.get(vm.uuid)
            if late is not None and vm.state is VMState.SUBMITTED:
                yield self._cancel(vm, late.why)
            elif late is not None:
                still = f'JobStatus == {vm.job_status} && EC2InstanceName == "{vm.instance}"'
                yield Remove(
                    queue=self.life.queue, job=vm.job, still=still, vm=vm, absent=True, master=late.master,
                    reason=late.why,
                )  # fmt: skip

    def lease_ends(self, leaving: set[JobId]) -> Iterator[Retire]:
        """VMs whose lease ends soon, the next one first."""
        for vm in sorted(self.batch.vms, key=lambda vm: vm.lease_end or 0):
            if vm.state in _STAYING and vm.job not in leaving and self._ends_soon(vm):
                left = max(0, (vm.lease_end or 0) - self.now)
                reason = f"its lease ends in {left:.0f} s, before that its jobs can end in peace{_may_evict(vm)}"
                yield Retire(queue=self.life.queue, vm=vm, method=self._method(vm), reason=reason)

    def _ends_soon(self, vm: VM) -> bool:
        return vm.lease_end is not None and self.now > vm.lease_end - self.life.drain_before_s

    def never_claimed(self, leaving: set[JobId]) -> Iterator[Retire]:
        """VMs that joined long ago and that no job has ever claimed."""
        for vm in self.batch.vms:
            why = self.life.timeouts.never_claimed(vm, self.now)
            if why is not None and vm.job not in leaving and not self._ends_soon(vm):
                yield Retire(queue=self.life.queue, vm=vm, method=self._method(vm), reason=why)

    def sudden_fall(self) -> MassLoss | None:
        """Whether many startds left at once, so that nothing may be concluded from that."""
        life = self.life
        return detect_mass_loss(self.batch.vms, self.memory.vms, self._repeat_s, life.timeouts.lost_s, self.now)

    def upkeep(self, kept: set[str]) -> Iterator[Action]:
        """Commands to repeat, marks to clear, VM jobs on hold."""
        for vm in self.batch.vms:
            if ignores_retire(vm) and vm.uuid not in kept and not self._recently_sent(vm):
                reason = "asked to retire, shows no sign of it"
                yield Retire(
                    queue=self.life.queue, vm=vm, method=self._method(vm), repeat=True,
                    attempt=self._attempt(vm, "retire"), reason=reason,
                )  # fmt: skip
            if vm.unretired and vm.state in IN_POOL:
                yield ClearRetire(queue=self.life.queue, vm=vm, reason="in service again")
            if vm.state is VMState.HELD:
                sent, patience_s = self.memory.sent.get(vm.uuid, 0), self._patience_s(vm)
                action = HeldJob(vm).action(sent, patience_s, self._method(vm), self.now)
                if action is not None:
                    yield action

    def _recently_sent(self, vm: VM) -> bool:
        return self.now - self.memory.sent.get(vm.uuid, 0) < self._patience_s(vm)

    def _patience_s(self, vm: VM) -> float:
        return patience_s(self.memory, vm.uuid, self._repeat_s)

    def _attempt(self, vm: VM, what: str) -> int:
        known = self.memory.attempts.get(vm.uuid)
        return known.times + 1 if known is not None and known.what == what else 1

    def _coming_back(self, vm: VM) -> bool:
        """Also one that was called back hours ago: its startd leaves when its last job ends, and then starts again."""
        return self._called_back_since(vm, self.memory.alone.get(vm.uuid, self.now))

    def _called_back_since(self, vm: VM, left: float) -> bool:
        return vm.unretired and self.now - max(vm.unretire_time or 0, left) < _SETTLE_S


def _may_evict(vm: VM) -> str:
    return "; a job on it that set its own MaxJobRetirementTime may be evicted" if vm.evictable else ""


def _can_come_back(vm: VM) -> bool:
    """Only what this factory asked for is taken back; what an administrator or condor_defrag asked for stands."""
    if vm.state is VMState.RETIRED:
        return vm.startd is not None and vm.retire_time is not None
    if vm.state is not VMState.RETIRING:
        return False
    return vm.retire_time is not None if vm.drain is None else vm.drain.ours


def _comes_back(vm: VM) -> tuple[int, float, str]:
    """A cancelled drain is back at once, a startd that left in seconds, one with claims when they end."""
    soon = 0 if vm.drain is not None else 1 if vm.claims == 0 else 2
    return soon, -(vm.retire_time or 0), vm.uuid


_STAYING = IN_POOL | {VMState.BOOTING}
