"""Update the memory at the end of a round. Pure.

A round has four steps: ``make_world`` updates the memory with the readings, ``decide`` decides, the caller acts, and
``advance`` updates the memory with decisions and outcomes. Daemon, stateful test and simulator share this function.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from factory.decide.decision import Round
from factory.model.actions import Outcome, Remove, commands_sent
from factory.model.memory import Memory
from factory.world.tracking import remember_removals, remember_sent
from factory.world.vanished_jobs import mark_removed
from factory.world.world import World


def advance(world: World, round_: Round, outcomes: Iterable[Outcome], now: float) -> Memory:
    """Return the memory that the next round starts from.

    Args:
        world: The World that the round was decided on.
        round_: The round.
        outcomes: Outcomes of its actions. An action without an outcome was cut short and may have been done.
        now: Epoch at which acting ended.
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
    return remember_removals(memory, done)
