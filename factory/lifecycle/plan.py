"""Plan a round of one queue: turn an ask into actions on VMs, in which order and within which limits. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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
    proposal = _propose(situation, ask)
    notes = (*proposal.notes, *held_by_person(batch.vms), *unresponsive_note(batch.vms, memory))
    doubt = _doubt(situation)
    if doubt is None:
        return _within_blast_radius(situation, proposal, notes)
    note, stops_purchases = doubt
    up = _without_purchases(proposal.up) if stops_purchases else proposal.up
    return Plan((*up, *proposal.upkeep), (*notes, note), situation.health)


@dataclass(frozen=True)
class _Proposal:
    """Actions by kind, before the guards of a round."""

    up: tuple[Action, ...]
    upkeep: tuple[Action, ...]
    remove: tuple[Remove, ...]
    """Removals that end instances, and removals of overdue VM jobs."""
    retire: tuple[Action, ...]
    """Retirements that begin, and VM jobs without an instance that are removed in their place."""
    notes: tuple[str, ...]


def _propose(situation: Situation, ask: Ask) -> _Proposal:
    back = vms_to_unretire(situation, ask) if ask.n > 0 else []
    unretired = {vm.uuid for vm in back}
    up = ramp_up(situation, ask, back) if ask.n > 0 else Plan()
    due = tuple(upkeep(situation, unretired))
    remove = (*removals(situation, unretired), *filter(_ends_instance, due))
    down = ramp_down(situation, ask, {a.job for a in remove}) if ask.n < 0 or ask.victims else Plan()
    asked = {action.vm.job for action in down.actions if isinstance(action, Retire)}
    leases, unclaimed = expiring_leases(situation, asked), never_claimed(situation, asked)
    retire = (*filter(_begins_retirement, due), *leases, *unclaimed, *down.actions)
    rest = tuple(action for action in due if not _ends_instance(action) and not _begins_retirement(action))
    return _Proposal(up.actions, rest, remove, retire, (*up.notes, *down.notes))


def _within_blast_radius(situation: Situation, proposal: _Proposal, notes: Iterable[str]) -> Plan:
    """Return the plan with removals and retirements cut to ``removefraction``, and a note on each cut (rule 8)."""
    notes, fraction, number = list(notes), situation.policy.removefraction, len(situation.vms)
    limit = max(1, int(fraction * number))
    for kind, actions in (("removals", proposal.remove), ("retirements", proposal.retire)):
        if len(actions) > limit:
            share = f"removefraction = {fraction:g} of {counted(number, 'VM')}"
            notes.append(f"{limit} of {len(actions)} {kind} this round: {share}")
    actions = (*proposal.up, *proposal.upkeep, *proposal.remove[:limit], *proposal.retire[:limit])
    return Plan(actions, tuple(notes), situation.health)


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


def _begins_retirement(action: Action) -> bool:
    return isinstance(action, Retire) and not action.repeat


def _without_purchases(actions: Iterable[Action]) -> tuple[Action, ...]:
    return tuple(action for action in actions if not isinstance(action, Submit))
