"""Plan a round of one queue: turn an ask into actions on VMs, in which order and within which limits. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeGuard

from factory.lifecycle.foreign_startds import identity_mismatch
from factory.lifecycle.held_jobs import held_by_person
from factory.lifecycle.mass_loss import detect_mass_loss
from factory.lifecycle.policy import VMPolicy
from factory.lifecycle.ramp_down import expiring_leases, never_claimed, ramp_down
from factory.lifecycle.ramp_up import ramp_up, vms_to_unretire
from factory.lifecycle.removal import removals
from factory.lifecycle.situation import Situation, assess
from factory.lifecycle.unresponsive import unresponsive_note
from factory.lifecycle.upkeep import upkeep
from factory.model.actions import Action, Plan, Remove, Retire, Submit
from factory.model.ask import Ask
from factory.model.memory import Memory
from factory.model.status import BatchStatus
from factory.model.vm import counted


def plan(policy: VMPolicy, ask: Ask, batch: BatchStatus, memory: Memory, now: float) -> Plan:
    """Return the actions for this ask, and the actions that are due in any case.

    n > 0: unretire VMs of the shapes asked for, shape by shape, then buy the rest, up to ``maxinstances`` VM jobs in
    all. n < 0: retire the victims of the ask, then VM jobs without an instance, then booting VMs, then idle ones
    (longest idle first), then busy ones, which finish their jobs. n = 0: retire only the victims.

    At most ``removefraction`` of the VMs begin to retire, and as many are removed, in one round (rule 8).
    """
    situation = assess(policy, batch, memory, now)
    back = vms_to_unretire(situation, ask) if ask.n > 0 else []
    unretired = {vm.uuid for vm in back}
    up = ramp_up(situation, ask, back) if ask.n > 0 else Plan()
    due = list(upkeep(situation, unretired))
    remove = [*removals(situation, unretired), *(action for action in due if _ends_instance(action))]
    begin = [action for action in due if isinstance(action, Retire) and not action.repeat]
    due = [action for action in due if not _ends_instance(action) and action not in begin]
    down = ramp_down(situation, ask, {a.job for a in remove}) if ask.n < 0 or ask.victims else Plan()
    asked = {action.vm.job for action in down.actions if isinstance(action, Retire)}
    retire = [*begin, *expiring_leases(situation, asked), *never_claimed(situation, asked), *down.actions]
    notes = [*up.notes, *down.notes, *held_by_person(batch.vms), *unresponsive_note(batch.vms, memory)]
    doubt = _doubt(situation)
    if doubt is not None:
        note, stops_purchases = doubt
        ups = _without_purchases(up.actions) if stops_purchases else up.actions
        return Plan((*ups, *due), (*notes, note), situation.health)
    limit = max(1, int(policy.removefraction * len(batch.vms)))
    for kind, actions in (("removals", remove), ("retirements", retire)):
        if len(actions) > limit:
            share = f"removefraction = {policy.removefraction:g} of {counted(len(batch.vms), 'VM')}"
            notes.append(f"{limit} of {len(actions)} {kind} this round: {share}")
    return Plan((*up.actions, *due, *remove[:limit], *retire[:limit]), tuple(notes), situation.health)


def _doubt(situation: Situation) -> tuple[str, bool] | None:
    """Return a note, and True if it also stops purchases, when nothing may be removed or retired (rule 2)."""
    lost_s = situation.policy.timeouts.lost_s
    loss = detect_mass_loss(situation.vms, situation.memory.vms, situation.repeat_s, lost_s, situation.now)
    if loss is not None:
        return loss.text, loss.fresh
    mismatch = identity_mismatch(situation.vms)
    return None if mismatch is None else (mismatch, True)


def _ends_instance(action: Action) -> TypeGuard[Remove]:
    return isinstance(action, Remove) and action.vm is not None and action.vm.instance is not None


def _without_purchases(actions: Iterable[Action]) -> tuple[Action, ...]:
    return tuple(action for action in actions if not isinstance(action, Submit))
