"""What a restart need not forget of shapes that are not bought: ``health.json`` in the statedir.

It delays purchases and causes none (rule 1): without it a factory that is started anew buys all it asks for once
more of what the cloud has just refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from factory.config.queues import Queue
from factory.health.breakers import WAITS_S
from factory.model.memory import Breaker, Health

_LONGEST_S = max(longest for _, longest in WAITS_S.values())


@dataclass(frozen=True)
class Kept:
    """What is kept of one queue."""

    section: str
    """Digest of its section: another one starts without breakers."""
    breakers: dict[str, Breaker]
    proven: frozenset[str] = frozenset()


_FILE = TypeAdapter(dict[str, Kept])


def dump_health(health: Mapping[str, Health], queues: Iterable[Queue]) -> bytes:
    """The file's content; the same for the same health."""
    kept = {
        queue.name: Kept(_digest(queue), dict(known.breakers), known.proven)
        for queue in queues
        if (known := health.get(queue.name)) is not None and (known.breakers or known.proven)
    }
    said = _FILE.dump_python(kept, mode="json")
    for each in said.values():
        each["proven"].sort()
    return json.dumps(said, sort_keys=True).encode()


def load_health(content: bytes, queues: Iterable[Queue], now: float) -> dict[str, Health]:
    """What the file says of these queues, as far as their sections are as they were; nothing, if it can't be read.

    No wait is longer than the longest there is, whatever has become of the clock since.
    """
    try:
        kept = _FILE.validate_json(content)
    except ValidationError:
        return {}
    sections = {queue.name: _digest(queue) for queue in queues}
    return {
        name: Health(
            {
                key: replace(each, opened=min(each.opened, now), until=min(each.until, now + _LONGEST_S))
                for key, each in known.breakers.items()
                if each.what in WAITS_S
            },
            proven=known.proven,
        )
        for name, known in kept.items()
        if sections.get(name) == known.section
    }


def _digest(queue: Queue) -> str:
    return hashlib.sha256(repr(queue.text).encode()).hexdigest()[:16]
