"""Sources and readings: what is polled, and what a poll brought.

A source is a small frozen object that says what to read; it is pickled into a worker process, fetches
there, and folds what it fetched into compact rows. Queues that read the same daemon share one source:
``merge`` unites what they want, so the daemon is polled once however many queues there are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from factory.model.status import Unknown

S = TypeVar("S", bound="Source")
R = TypeVar("R")

REREAD_PART = 0.5
"""A reading that has reached this part of its maxage is not used again, however long its interval."""


@dataclass(frozen=True, kw_only=True)
class Source(ABC):
    """Something to poll. Subclasses are frozen dataclasses of plain values, and picklable."""

    STAGE: ClassVar[int] = 1
    """Sources of a lower stage are read first: collectors 0, schedds and WMS 1, clouds 2 (rule 3)."""

    interval_s: float = 0
    """A reading younger than this, and than half of ``maxage_s``, is used again, unless the queue has acted since."""
    deadline_s: float = 30
    """The worker is killed after this."""
    maxage_s: float = 360
    """A reading older than this is unknown."""

    @property
    @abstractmethod
    def key(self) -> str:
        """Sources with equal keys are merged and polled as one."""

    @property
    @abstractmethod
    def address(self) -> str:
        """The daemon that is asked. One worker pool each, so that a hung one never delays another."""

    @abstractmethod
    def fetch(self) -> Any:
        """Fetch and fold into rows; runs in a worker process. Any exception is a failed reading."""

    def merge(self: S, other: S) -> S:
        """The source that brings what both want; by default they must be equal but for the times."""
        from dataclasses import replace

        return replace(
            self,
            interval_s=min(self.interval_s, other.interval_s),
            deadline_s=max(self.deadline_s, other.deadline_s),
            maxage_s=min(self.maxage_s, other.maxage_s),
        )


@dataclass(frozen=True)
class Reading:
    """What a poll brought: rows, or why it failed. Times are epoch seconds."""

    key: str
    started: float
    ended: float
    rows: Any = None
    error: str | None = None
    maxage_s: float = 360

    def usable(self, now: float, after: float) -> Unknown | None:
        """None if a queue whose last act ended at ``after`` may decide on it, else why not (rules 2, 3)."""
        if self.error is not None:
            return Unknown(f"{self.key}: {self.error}")
        if self.started <= after:
            return Unknown(f"{self.key}: not read since the queue last acted")
        if now - self.started > self.maxage_s:
            return Unknown(f"{self.key}: {now - self.started:.0f} s old, older than {self.maxage_s:.0f} s")
        return None


@dataclass(frozen=True)
class Readings:
    """The readings that one queue may decide on, at one time."""

    now: float
    by_key: Mapping[str, Reading]
    after: float = 0
    """End of the queue's last act."""

    def rows(self, source: Source) -> Any:
        """Rows of that source, or :class:`Unknown` with the reason."""
        reading = self.by_key.get(source.key)
        if reading is None:
            return Unknown(f"{source.key}: not read yet")
        return reading.usable(self.now, self.after) or reading.rows

    def of_kind(self, kind: type[R]) -> Iterator[R]:
        """All rows of this kind that are usable, whichever source they came from."""
        for reading in self.by_key.values():
            if isinstance(reading.rows, kind) and reading.usable(self.now, self.after) is None:
                yield reading.rows
