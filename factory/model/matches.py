"""The match matrix: which job groups run on which shapes and machine classes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Match:
    """Whether a group's jobs run on a machine of one kind, and if not, what stands against it."""

    ok: bool
    maybe: bool = False
    """Only a running machine can tell: worth one probe VM."""
    why: str = ""
    """The clause that fails, and on which side."""


class Table(Mapping[tuple[str, str], Match]):
    """(group key, machine key) → match, row by row."""

    @abstractmethod
    def row(self, group: str) -> tuple[Match, ...]:
        """The matches of one group."""


class Matches(Table):
    """Matches of which many groups share a row."""

    def __init__(self, rows: Mapping[str, tuple[Match, ...]], machines: Iterable[str]) -> None:
        """``rows``: group key → a match for each of the machines."""
        self._rows = rows
        self._columns = {machine: i for i, machine in enumerate(machines)}

    def __getitem__(self, key: tuple[str, str]) -> Match:
        group, machine = key
        return self._rows[group][self._columns[machine]]

    def row(self, group: str) -> tuple[Match, ...]:
        return self._rows.get(group, ())

    def with_more(self, machines: Mapping[str, tuple[str, Mapping[str, Match]]]) -> Matches:
        """These, and more machines: each as one that is there but for some groups."""
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
