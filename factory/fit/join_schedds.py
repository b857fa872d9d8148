"""Join the demands of several schedds into one. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from factory.model.demand import Demand, JobGroup, Limit, Machine, Room
from factory.model.matches import Match, Table


def join_demands(demands: Sequence[Demand]) -> Demand:
    """Return one demand with the groups of all. Each demand has its own groups, but most machines are in all of them.

    The machines were read once for each schedd, a moment apart. The largest free room that was read counts, so the
    skew buys too little rather than too much.
    """
    if len(demands) == 1:
        return demands[0]
    excluded, others = Counter[str](), Counter[int]()
    for demand in demands:
        excluded.update(demand.excluded)
        others.update(demand.others)
    groups, machines = [demand.groups for demand in demands], tuple(_machines(demands))
    kinds = {machine.kind for machine in machines}
    return replace(
        demands[0],
        groups=tuple(group for of_demand in groups for group in of_demand),
        machines=machines,
        on_kinds=_OnKinds(groups, [demand.on_kinds for demand in demands], kinds),
        on_shapes=_Joined(groups, [demand.on_shapes for demand in demands]),
        excluded=dict(excluded),
        others=dict(others),
        limits=tuple(_limits(demands)),
        partial=any(demand.partial for demand in demands),
        shown=tuple(shown for demand in demands for shown in demand.shown),
        proven=_proven(demands),
    )


def _proven(demands: Iterable[Demand]) -> dict[str, frozenset[str]]:
    proven: dict[str, frozenset[str]] = {}
    for demand in demands:
        for model, jobs in demand.proven.items():
            proven[model] = proven.get(model, frozenset()) | jobs
    return proven


def _machines(demands: Sequence[Demand]) -> Iterator[Machine]:
    """Yield each machine once. Its kind joins its kinds in all demands that know it, such as ``0:a 1:b``."""
    readings: dict[str, list[tuple[int, Machine]]] = {}
    for i, demand in enumerate(demands):
        for machine in demand.machines:
            readings.setdefault(machine.name, []).append((i, machine))
    frees: dict[tuple[Room, ...], Room] = {}
    for of_machine in readings.values():
        first = of_machine[0][1]
        rooms = tuple(machine.free for _, machine in of_machine)
        free = first.free if len(set(rooms)) == 1 else frees.get(rooms) or frees.setdefault(rooms, _largest(rooms))
        kind = " ".join(f"{i}:{machine.kind}" for i, machine in of_machine)
        yield replace(
            first,
            kind=kind,
            free=free,
            total=replace(first.total, custom=_largest_custom(machine.total for _, machine in of_machine)),
            retiring=any(machine.retiring for _, machine in of_machine),
            offline=any(machine.offline for _, machine in of_machine),
            unready=all(machine.unready for _, machine in of_machine),
        )


def _largest(rooms: Iterable[Room]) -> Room:
    rooms = list(rooms)
    return Room(
        max(room.cpus for room in rooms),
        max(room.memory_mb for room in rooms),
        max(room.disk_kb for room in rooms),
        max(room.gpus for room in rooms),
        _largest_custom(rooms),
    )


def _largest_custom(rooms: Iterable[Room]) -> tuple[tuple[str, float], ...]:
    """Return the largest amount of each custom resource. A schedd without jobs that request it reads none."""
    amounts: dict[str, float] = {}
    for room in rooms:
        for name, amount in room.custom:
            amounts[name] = max(amount, amounts.get(name, 0.0))
    return tuple(sorted(amounts.items()))


class _Joined(Table):
    """Match tables of different groups as one table."""

    def __init__(self, groups: Sequence[Iterable[JobGroup]], tables: Sequence[Mapping[tuple[str, str], Match]]) -> None:
        self._tables = tables
        self._table_of = {group.key: i for i, of_table in enumerate(groups) for group in of_table}

    def __getitem__(self, key: tuple[str, str]) -> Match:
        return self._tables[self._table_of[key[0]]][key]

    def row(self, group: str) -> tuple[Match, ...]:
        if group not in self._table_of:
            return ()
        table = self._tables[self._table_of[group]]
        return table.row(group) if isinstance(table, Table) else tuple(m for k, m in table.items() if k[0] == group)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return (key for table in self._tables for key in table)

    def __len__(self) -> int:
        return sum(map(len, self._tables))


class _OnKinds(_Joined):
    """The joined table of machine kinds, by the names that ``_machines`` makes."""

    def __init__(
        self,
        groups: Sequence[Iterable[JobGroup]],
        tables: Sequence[Mapping[tuple[str, str], Match]],
        kinds: Iterable[str],
    ) -> None:
        super().__init__(groups, tables)
        self._parts = {kind: dict(part.split(":", 1) for part in kind.split(" ")) for kind in kinds}

    def __getitem__(self, key: tuple[str, str]) -> Match:
        group, kind = key
        i = self._table_of[group]
        return self._tables[i][group, self._parts[kind][str(i)]]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return (
            (group, kind) for group, i in self._table_of.items() for kind in self._parts if str(i) in self._parts[kind]
        )

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _limits(demands: Iterable[Demand]) -> Iterator[Limit]:
    """Yield each limit once, with the jobs of all schedds under it and the least that any reading leaves."""
    by_limit: dict[tuple[str, bool], list[Limit]] = {}
    for demand in demands:
        for limit in demand.limits:
            by_limit.setdefault((limit.of or limit.name, limit.strict), []).append(limit)
    for limits in by_limit.values():
        least = min(limits, key=lambda limit: limit.left)
        yield replace(least, weights={key: weight for limit in limits for key, weight in limit.weights.items()})
