"""What somebody paused: ``paused.json`` in the statedir, written by ``apf pause``, read before every round."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from factory.state.directory import write_private


class PausesError(Exception):
    """``paused.json`` can't be read or written, so nobody knows what is paused; the message says what to do."""


@dataclass(frozen=True)
class Pause:
    """Who paused, when (epoch seconds), and why, if said."""

    since: float
    by: str
    why: str = ""

    def __str__(self) -> str:
        why = f": {self.why}" if self.why else ""
        return f"paused by {self.by} at {datetime.fromtimestamp(self.since, UTC):%Y-%m-%d %H:%M} UTC{why}"


@dataclass(frozen=True)
class Pauses:
    """What is paused."""

    factory: Pause | None = None
    """The whole factory is."""
    queues: Mapping[str, Pause] = field(default_factory=dict)
    """These queues are, by name."""

    def reasons(self, queues: Iterable[str]) -> dict[str, str]:
        """Of these queues those that are paused, and why."""
        found: dict[str, str] = {}
        for name in queues:
            if self.factory is not None:
                found[name] = f"the whole factory is {self.factory}; 'apf resume' goes on"
            elif name in self.queues:
                found[name] = f"{self.queues[name]}; 'apf resume {name}' goes on"
        return found

    def paused(self, names: Iterable[str], pause: Pause) -> Pauses:
        """With these queues paused, or the whole factory if none is named; what is paused already stays as it is."""
        names = tuple(names)
        if not names:
            return replace(self, factory=self.factory or pause)
        return replace(self, queues=dict.fromkeys(names, pause) | dict(self.queues))

    def resumed(self, names: Iterable[str]) -> Pauses:
        """With these queues going on, or the factory as a whole; queues that were paused by name stay so then."""
        names = set(names)
        if not names:
            return replace(self, factory=None)
        return replace(self, queues={name: pause for name, pause in self.queues.items() if name not in names})

    def to_json(self) -> dict[str, Any]:
        """As it stands in the file."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Any) -> Pauses:
        """What a file says.

        Raises:
            ValueError, TypeError, KeyError, AttributeError: it is no such file.
        """
        factory = found["factory"]
        queues = {str(name): _pause(entry) for name, entry in found["queues"].items()}
        return cls(None if factory is None else _pause(factory), queues)


def _pause(entry: Any) -> Pause:
    return Pause(float(entry["since"]), str(entry["by"]), str(entry["why"]))


def read_pauses(path: Path) -> Pauses:
    """What is paused; nothing, if there is no file.

    Raises:
        PausesError: the file can't be read.
    """
    try:
        return Pauses.from_json(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return Pauses()
    except OSError as error:
        raise PausesError(f"{path} can't be read: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise PausesError(f"{path} is no list of what is paused; remove it, then pause what has to be") from None


@contextmanager
def changing_pauses(path: Path) -> Iterator[list[Pauses]]:
    """The pauses in a list of one, to be replaced there; written at the end, and nobody else changes them until then.

    Raises:
        PausesError: the file can't be read or written.
    """
    try:
        lock = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise PausesError(f"{path.parent}: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        held = [read_pauses(path)]
        before = held[0]
        yield held
        if held[0] != before:
            write_private(path, json.dumps(held[0].to_json(), indent=1).encode())
    except OSError as error:
        raise PausesError(f"{path} can't be written: {error.strerror}") from None
    finally:
        os.close(lock)
