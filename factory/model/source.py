"""Sources, which are polled, and readings, which are the results.

A source is a small frozen object that says what to read. It is pickled into a worker process, fetches there, and folds
the data into compact rows. Queues that read the same daemon share one source: ``merge`` combines what they need, so the
daemon is polled once for any number of queues.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from factory.model.status import Unknown

if TYPE_CHECKING:
    from factory.model.memory import Memory

S = TypeVar("S", bound="Source")
R = TypeVar("R")

REREAD_PART = 0.5
"""A reading older than this part of its maxage is not used again, even within its interval."""


@dataclass(frozen=True, kw_only=True)
class Source(ABC):
    """Something to poll. Subclasses are frozen, picklable dataclasses of plain values."""

    STAGE: ClassVar[int] = 1
    """Order of reading, lowest first: collectors 0, schedds and WMS 1, clouds 2 (rule 3)."""

    interval_s: float = 0
    """A reading younger than this and than half of ``maxage_s`` is used again, unless the queue has acted since."""
    deadline_s: float = 30
    """Time after which the worker is killed."""
    maxage_s: float = 360
    """A reading older than this is unknown."""

    @property
    @abstractmethod
    def key(self) -> str:
        """Key of the source; sources with equal keys are merged and polled as one."""

    @property
    @abstractmethod
    def address(self) -> str:
        """The daemon that is polled. Each has its own worker pool, so that a hung one never delays another."""

    @abstractmethod
    def fetch(self) -> Any:
        """Fetch data and fold it into rows; runs in a worker process. Any exception is a failed reading."""

    def knowing(self: S, memory: Memory) -> S:
        """Return a source that uses what it needs of the memory. By default it needs nothing."""
        return self

    def merge(self: S, other: S) -> S:
        """Return a source that reads what both need. By default they must be equal except for the times."""
        from dataclasses import replace

        return replace(
            self,
            interval_s=min(self.interval_s, other.interval_s),
            deadline_s=max(self.deadline_s, other.deadline_s),
            maxage_s=min(self.maxage_s, other.maxage_s),
        )


@dataclass(frozen=True)
class Reading:
    """Rows of a poll, or its error. Times are epoch seconds."""

    key: str
    started: float
    ended: float
    rows: Any = None
    error: str | None = None
    maxage_s: float = 360

    @property
    def problems(self) -> tuple[str, ...]:
        """Ads that can't be read and are left out of the rows, in words."""
        return getattr(self.rows, "problems", ())

    def usable(self, now: float, after: float) -> Unknown | None:
        """Return None if a queue that last acted at ``after`` may use this reading, else the reason (rules 2, 3)."""
        if self.error is not None:
            return Unknown(f"{self.key}: {self.error}")
        if self.started <= after:
            return Unknown(f"{self.key}: not read since the queue last acted")
        if now - self.started > self.maxage_s:
            return Unknown(f"{self.key}: {now - self.started:.0f} s old, older than {self.maxage_s:.0f} s")
        return None


@dataclass(frozen=True)
class Readings:
    """The readings that one queue may use at one time."""

    now: float
    by_key: Mapping[str, Reading]
    after: float = 0
    """Time at which the last act of the queue ended."""

    def rows(self, source: Source) -> Any:
        """Return the rows of a source, or :class:`Unknown` with the reason."""
        reading = self.by_key.get(source.key)
        if reading is None:
            return Unknown(f"{source.key}: not read yet")
        return reading.usable(self.now, self.after) or reading.rows

    def of_kind(self, kind: type[R]) -> Iterator[R]:
        """Yield all usable rows of this kind, from any source."""
        for reading in self.by_key.values():
            if isinstance(reading.rows, kind) and reading.usable(self.now, self.after) is None:
                yield reading.rows
