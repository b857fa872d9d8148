"""Rehearsal of a round: observe and decide without acting. Writes nothing and needs no lock."""

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
    """The decisions that a round would make now, and the readings that they use."""

    round: Round
    readings: tuple[Reading, ...]

    @property
    def failed(self) -> Iterable[Reading]:
        """Readings that failed."""
        return (reading for reading in self.readings if reading.error is not None)


@dataclass(frozen=True)
class RunningFactory:
    """State of the running factory that a rehearsal uses; by default that of a factory that starts now."""

    known: SavedMemory = field(default_factory=SavedMemory)
    paused: Mapping[str, str] = field(default_factory=dict)
    """Paused queues, each with the reason."""
    incarnation: str | None = None
    """None: an incarnation that starts now, so that no running factory counts as newer."""


def rehearse(
    config: Config, workers: Workers, running: RunningFactory | None = None, winding_down: bool = False
) -> Rehearsal:
    """Poll every source once and decide for every queue, as a factory in this state would.

    ``winding_down``: decide for disabled and removed queues too, which may still have VMs.
    """
    running = running or RunningFactory()
    queues = config.all_queues if winding_down else config.queues
    observer = Observer(workers)
    known = running.known
    observer.observe(config.all_queues, config.all_queues, {}, known.memory)
    now = time.time()
    inputs = WorldInputs(
        readings=observer.readings,
        memory=known.memory,
        acted={},
        incarnation=running.incarnation or f"{now:.3f} apf-check 0",
        believed_after_s=2 * config.factory.update_interval,
        paused=running.paused,
        faults=observer.faults,
        orphans=known.orphans,
        audit=known.audit,
        unaudited=known.unaudited,
    )
    world = make_world(now, inputs)
    return Rehearsal(decide(config, world, {queue.name for queue in queues}), tuple(observer.readings.values()))
