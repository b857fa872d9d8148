"""Move the memory on from one round to the next. Pure.

A round goes: ``make_world`` moves the memory on by what the readings show, ``decide`` decides, somebody acts, and
``advance`` adds what was decided and done. The daemon, the stateful test and a simulator all do it by this function.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from factory.decide.decision import Round
from factory.model.actions import Outcome, Remove, commands_sent
from factory.model.memory import Memory
from factory.world.tracking import remember_refused, remember_sent
from factory.world.vanished_jobs import mark_removed
from factory.world.world import World


def advance(world: World, round_: Round, outcomes: Iterable[Outcome], now: float) -> Memory:
    """Return the memory that the next round starts from.

    ``outcomes`` are those of the round's actions. An action without an outcome may have been done all the same: acting
    was cut short. ``now`` is when acting ended (epoch seconds).
    """
    memory = replace(world.memory, fit=round_.memory, health={**world.memory.health, **round_.health})
    outcomes = tuple(outcomes)
    not_tried = {id(outcome.action) for outcome in outcomes if not outcome.tried}
    memory = remember_sent(memory, commands_sent(a for a in round_.actions if id(a) not in not_tried), now)
    removed = (a.vm.uuid for a in round_.actions if isinstance(a, Remove) and a.vm is not None)
    memory = mark_removed(memory, frozenset(removed))
    done = {
        outcome.action.vm.uuid: outcome.error is None
        for outcome in outcomes
        if isinstance(outcome.action, Remove) and outcome.action.vm is not None
    }
    return remember_refused(memory, done)
