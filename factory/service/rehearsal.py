"""A round that is observed and decided, and not acted on. Writes nothing, needs no lock."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from factory.config.queues import Config
from factory.decide.decide import decide
from factory.decide.decision import Round
from factory.model.source import Reading
from factory.observe.observer import Observer
from factory.process.workers import Workers
from factory.state.saved_memory import SavedMemory
from factory.world.build import WorldInputs, make_world


@dataclass(frozen=True)
class Rehearsal:
    """What each queue would do now, and what that rests on."""

    round: Round
    readings: tuple[Reading, ...]

    @property
    def failed(self) -> Iterable[Reading]:
        """Sources that could not be read."""
        return (reading for reading in self.readings if reading.error is not None)


@dataclass(frozen=True)
class Instead:
    """The factory in whose place a round is rehearsed."""

    known: SavedMemory = field(default_factory=SavedMemory)
    paused: Mapping[str, str] = field(default_factory=dict)
    """Queues that are, and why."""
    incarnation: str | None = None
    """None: a factory that starts now, so that none at work counts as newer."""


def rehearse(config: Config, workers: Workers, instead: Instead | None = None, winding_down: bool = False) -> Rehearsal:
    """Poll every source once, and decide for every queue, as a factory that knows this and no more would.

    ``winding_down``: also for the queues that do not run and may have machines.
    """
    instead = instead or Instead()
    queues = config.all_queues if winding_down else config.queues
    observer = Observer(workers)
    observer.observe(config.all_queues, config.all_queues, {})
    now = time.time()
    known = instead.known
    inputs = WorldInputs(
        readings=observer.readings,
        memory=known.memory,
        acted={},
        incarnation=instead.incarnation or f"{now:.3f} apf-check 0",
        believed_after_s=2 * config.factory.update_interval,
        paused=instead.paused,
        faults=observer.faults,
        orphans=known.orphans,
        audit=known.audit,
        unasked=known.unasked,
    )
    world = make_world(now, inputs)
    return Rehearsal(decide(config, world, {queue.name for queue in queues}), tuple(observer.readings.values()))
