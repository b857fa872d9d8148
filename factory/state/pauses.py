"""Pauses: ``paused.json`` in the statedir, written by ``apf pause`` and read before every round."""

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
    """``paused.json`` can't be read or written, so what is paused is unknown. The message says what to do."""


@dataclass(frozen=True)
class Pause:
    """A pause: its time (epoch seconds), its author, and the reason, if given."""

    since: float
    by: str
    why: str = ""

    def __str__(self) -> str:
        why = f": {self.why}" if self.why else ""
        return f"paused by {self.by} at {datetime.fromtimestamp(self.since, UTC):%Y-%m-%d %H:%M} UTC{why}"


@dataclass(frozen=True)
class Pauses:
    """Pauses of the whole factory and of queues."""

    factory: Pause | None = None
    """Set if the whole factory is paused."""
    queues: Mapping[str, Pause] = field(default_factory=dict)
    """Paused queues, by name."""

    def reasons(self, queues: Iterable[str]) -> dict[str, str]:
        """Return the reason for each of these queues that is paused."""
        reasons: dict[str, str] = {}
        for name in queues:
            if self.factory is not None:
                reasons[name] = f"the whole factory is {self.factory}; resume it with 'apf resume'"
            elif name in self.queues:
                reasons[name] = f"{self.queues[name]}; resume it with 'apf resume {name}'"
        return reasons

    def paused(self, names: Iterable[str], pause: Pause) -> Pauses:
        """Return the pauses with these queues added, or the whole factory if none is named. Earlier pauses stay."""
        names = tuple(names)
        if not names:
            return replace(self, factory=self.factory or pause)
        return replace(self, queues=dict.fromkeys(names, pause) | dict(self.queues))

    def resumed(self, names: Iterable[str]) -> Pauses:
        """Return the pauses without these queues, or, if none is named, without that of the whole factory."""
        names = set(names)
        if not names:
            return replace(self, factory=None)
        return replace(self, queues={name: pause for name, pause in self.queues.items() if name not in names})

    def to_json(self) -> dict[str, Any]:
        """Return the content of the file."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Any) -> Pauses:
        """Return the pauses in the content of a file.

        Raises:
            ValueError, TypeError, KeyError, AttributeError: the content is invalid.
        """
        factory = content["factory"]
        queues = {str(name): _pause(entry) for name, entry in content["queues"].items()}
        return cls(None if factory is None else _pause(factory), queues)


def _pause(entry: Any) -> Pause:
    return Pause(float(entry["since"]), str(entry["by"]), str(entry["why"]))


def read_pauses(path: Path) -> Pauses:
    """Read the pauses; without a file, nothing is paused.

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
        raise PausesError(
            f"{path} is not a valid list of pauses; remove it, then pause again what must be paused"
        ) from None


@contextmanager
def changing_pauses(path: Path) -> Iterator[list[Pauses]]:
    """Lock the file and yield its pauses in a list of one; replace the element to write it at the end.

    Raises:
        PausesError: the file can't be read or written.
    """
    try:
        lock = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise PausesError(f"{path.parent}: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        current = [read_pauses(path)]
        before = current[0]
        yield current
        if current[0] != before:
            write_private(path, json.dumps(current[0].to_json(), indent=1).encode())
    except OSError as error:
        raise PausesError(f"{path} can't be written: {error.strerror}") from None
    finally:
        os.close(lock)
