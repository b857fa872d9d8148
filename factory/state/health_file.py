"""Persist circuit breakers across restarts (``health.json`` in the statedir).

The file can delay a purchase; it never triggers one (rule 1). Without it a restarted factory would buy once more what
the cloud has just refused.
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
class SavedHealth:
    """Saved health of one queue."""

    section: str
    """Digest of its section: a changed section starts without breakers."""
    breakers: dict[str, Breaker]
    proven: frozenset[str] = frozenset()


_FILE = TypeAdapter(dict[str, SavedHealth])


def dump_health(health: Mapping[str, Health], queues: Iterable[Queue]) -> bytes:
    """Return the content of the file. Equal health gives equal content."""
    saved = {
        queue.name: SavedHealth(_digest(queue), dict(known.breakers), known.proven)
        for queue in queues
        if (known := health.get(queue.name)) is not None and (known.breakers or known.proven)
    }
    data = _FILE.dump_python(saved, mode="json")
    for each in data.values():
        each["proven"].sort()
    return json.dumps(data, sort_keys=True).encode()


def load_health(content: bytes, queues: Iterable[Queue], now: float) -> dict[str, Health]:
    """Return the saved health of the queues whose section has not changed; an unreadable file has none.

    No breaker stays open longer than the longest wait, even if the clock was set back since.
    """
    try:
        saved = _FILE.validate_json(content)
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
        for name, known in saved.items()
        if sections.get(name) == known.section
    }


def _digest(queue: Queue) -> str:
    return hashlib.sha256(repr(queue.text).encode()).hexdigest()[:16]
