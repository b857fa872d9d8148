"""The match matrix of job groups with shapes and machine classes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from factory.model.demand import Room


@dataclass(frozen=True, slots=True)
class Match:
    """Match of a job group with a machine of one kind."""

    ok: bool
    """True: the jobs run there."""
    maybe: bool = False
    """True: the jobs may run there, which only a running machine can show; worth one probe."""
    learned: bool = False
    """True: they do not run there by what running machines have shown, which may not hold for a new one."""
    ask: Room | None = None
    """Request of one job there, if it depends on the machine. None: it is the request of the group."""
    why: str = ""
    """The clause that fails, and its side."""

    def proven(self) -> Match:
        """Return the match of jobs that are known to run there."""
        return replace(self, ok=True, maybe=False, learned=False, why="")


class Table(Mapping[tuple[str, str], Match]):
    """(group key, machine key) → match, row by row."""

    @abstractmethod
    def row(self, group: str) -> tuple[Match, ...]:
        """Return the matches of one group."""


class Matches(Table):
    """Matches in which many groups share a row."""

    def __init__(self, rows: Mapping[str, tuple[Match, ...]], machines: Iterable[str]) -> None:
        """Store the rows. ``rows``: group key → a match for each of the machines."""
        self._rows = rows
        self._columns = {machine: i for i, machine in enumerate(machines)}

    def __getitem__(self, key: tuple[str, str]) -> Match:
        group, machine = key
        return self._rows[group][self._columns[machine]]

    def row(self, group: str) -> tuple[Match, ...]:
        return self._rows.get(group, ())

    def rows(self) -> Mapping[str, tuple[Match, ...]]:
        """Return the matches of each group, in the order of ``machines()``; groups may share one tuple."""
        return self._rows

    def machines(self) -> tuple[str, ...]:
        """Return the machine keys."""
        return tuple(self._columns)

    def with_more(self, machines: Mapping[str, tuple[str, Mapping[str, Match]]]) -> Matches:
        """Return a table with more machines. Each is like a machine of this table, except for some groups."""
        if not machines:
            return self
        like = [(self._columns[other], but) for other, but in machines.values()]
        named = {group for _, but in like for group in but}
        plain: dict[int, tuple[Match, ...]] = {}
        rows = {}
        for group, row in self._rows.items():
            if group in named:
                rows[group] = row + tuple(but.get(group, row[i]) for i, but in like)
            else:
                rows[group] = plain.get(id(row)) or plain.setdefault(id(row), row + tuple(row[i] for i, _ in like))
        return Matches(rows, [*self._columns, *machines])

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((group, machine) for group in self._rows for machine in self._columns)

    def __len__(self) -> int:
        return len(self._rows) * len(self._columns)
