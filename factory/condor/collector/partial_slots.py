"""Match jobs whose Requirements depend on free resources with the free part of a machine, not with all of it.

Nearly all Requirements say ``TARGET.Memory >= RequestMemory``. Fitting counts that anyway, so one match with the empty
machine serves its whole class. For ``TARGET.Memory > 4000`` of a job that asks for 100 MB it does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from factory.condor.classad.digest import digest_of, short_digest
from factory.condor.classad.match import depends_on_time, match
from factory.condor.classad.values import copy_ad
from factory.condor.collector.slots import ROOM, Slots
from factory.model.demand import JobGroup, Machine, Room
from factory.model.matches import Match, Matches
from factory.process.work_mark import work_mark

_FITS = re.compile(r"(?:TARGET\.)?\b(Cpus|Memory|Disk|GPUs)\s*>=\s*(?:MY\.)?Request\1\b", re.IGNORECASE)
_FREE_ROOM = re.compile(r"(?<![\w.])(?:TARGET\.)?(?:Cpus|Memory|Disk|GPUs)\b", re.IGNORECASE)
_KEEP = 100_000

_CacheKey = tuple[bytes, str, Room]
_known: dict[_CacheKey, Match] = {}
"""Earlier results by job, machine class and free room; the worker keeps them from poll to poll."""


@lru_cache(10_000)
def depends_on_free_room(requirements: str) -> bool:
    """True if Requirements ask more of free cores, memory, disk or GPUs than that the request fits."""
    return _FREE_ROOM.search(_FITS.sub("true", requirements)) is not None


def match_partial_slots(
    slots: Slots, groups: Iterable[JobGroup], jobs: Mapping[str, Any], on_kinds: Matches
) -> tuple[tuple[Machine, ...], Matches]:
    """Return machines and matches; a machine whose free part fails some groups gets a class of its own."""
    picky = [group for group in groups if group.problem is None and depends_on_free_room(group.requirements)]
    if not picky:
        return slots.machines, on_kinds
    if len(_known) > _KEEP:
        _known.clear()
    asks = {group.key: group.least for group in picky}
    texts = {key: str(jobs[key]) for key in asks}
    digests = {key: digest_of(text) for key, text in texts.items()}
    timed = {key for key, text in texts.items() if depends_on_time(text)}
    volatile = {kind for kind, ad in slots.kinds.items() if depends_on_time(str(ad))}

    def cache_key(key: str, machine: Machine) -> _CacheKey | None:
        """Return the key of a result; None if it holds for this poll only."""
        return None if key in timed or machine.kind in volatile else (digests[key], machine.kind, machine.free)

    machines, kinds = [], dict[tuple[str, Room], str]()
    more: dict[str, tuple[str, dict[str, Match]]] = {}
    for machine in slots.machines:
        if machine.retiring or machine.free == machine.total:
            machines.append(machine)
            continue
        of = machine.kind, machine.free
        if of not in kinds:
            refusals = _refusals(slots.kinds[machine.kind], machine, asks, cache_key, jobs, digests, on_kinds)
            kinds[of] = _kind(machine.kind, refusals)
            more[kinds[of]] = machine.kind, refusals
        machines.append(machine if kinds[of] == machine.kind else replace(machine, kind=kinds[of]))
    return tuple(machines), on_kinds.with_more({kind: of for kind, of in more.items() if of[1]})


def _kind(kind: str, refusals: Mapping[str, Match]) -> str:
    return f"{kind}-{short_digest(str(sorted(refusals)))}" if refusals else kind


def _refusals(
    whole: Any,
    machine: Machine,
    asks: Mapping[str, Room],
    cache_key: Callable[[str, Machine], _CacheKey | None],
    jobs: Mapping[str, Any],
    digests: Mapping[str, bytes],
    on_kinds: Matches,
) -> dict[str, Match]:
    """Return the groups that fit the free part by their request and match the empty machine, but not that part."""
    refusals, ad = {}, None
    for key, ask in asks.items():
        if not machine.free.holds(ask) or not on_kinds[key, machine.kind].ok:
            continue
        known_as = cache_key(key, machine)
        result = _known.get(known_as) if known_as is not None else None
        if result is None:
            ad = ad or _ad_of_free_part(whole, machine.free)
            with work_mark().busy_with(digests[key]):
                result = match(jobs[key], ad)
            if known_as is not None:
                _known[known_as] = result
        if not result.ok:
            refusals[key] = replace(result, why=f"{result.why} for the free part of the machine")
    return refusals


def _ad_of_free_part(whole: Any, free: Room) -> Any:
    copy = copy_ad(whole)
    for name, amount in zip(ROOM, (free.cpus, free.memory_mb, free.disk_kb, free.gpus), strict=True):
        copy[name] = int(amount)
    for name, amount in free.custom:
        copy[name] = amount
    return copy
