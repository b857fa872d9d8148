"""A round that is observed and decided, and not acted on. Writes nothing, needs no lock."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from factory.config.settings import Config
from factory.decide import Round, decide
from factory.observe import Observer
from factory.source import Reading
from factory.track import Memory
from factory.workers import Workers
from factory.world import make_world


@dataclass(frozen=True)
class Rehearsal:
    """What each queue would do now, and what that rests on."""

    round: Round
    readings: tuple[Reading, ...]

    @property
    def failed(self) -> Iterable[Reading]:
        """Sources that could not be read."""
        return (reading for reading in self.readings if reading.error is not None)


def rehearse(
    config: Config, workers: Workers, memory: Memory | None = None, paused: Mapping[str, str] = MappingProxyType({})
) -> Rehearsal:
    """Poll every source once, and decide for every queue, as a factory that remembers this and no more would.

    ``paused``: queues that are, and why.
    """
    observer = Observer(workers)
    observer.observe(config.queues, config.queues, {})
    now = time.time()
    # Newer than any factory at work, so that none of them counts as a usurper.
    incarnation = f"{now:.3f} apf-check 0"
    known, believed_s = memory or Memory(), 2 * config.factory.update_interval
    world = make_world(now, observer.readings, known, {}, incarnation, believed_s, paused)
    return Rehearsal(decide(config, world, {queue.name for queue in config.queues}), tuple(observer.readings.values()))
