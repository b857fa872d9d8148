"""Jobs whose Requirements look at what is left on a machine: they are matched with that, not with the whole machine.

Nearly all Requirements say ``TARGET.Memory >= RequestMemory``, which is what fitting reckons with anyhow, and may be
asked of a class of machines as it is wholly free. ``TARGET.Memory > 4000`` of a job that asks for 100 MB may not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from factory.condor.classad.digest import digest_of, short_digest
from factory.condor.classad.match import depends_on_time, match
from factory.condor.collector.slots import ROOM, Slots
from factory.model.demand import JobGroup, Machine, Room
from factory.model.matches import Match, Matches

_FITS = re.compile(r"(?:TARGET\.)?\b(Cpus|Memory|Disk|GPUs)\s*>=\s*(?:MY\.)?Request\1\b", re.IGNORECASE)
_LOOKS = re.compile(r"(?<![\w.])(?:TARGET\.)?(?:Cpus|Memory|Disk|GPUs)\b", re.IGNORECASE)
_KEEP = 100_000

_Sign = tuple[bytes, str, Room]
_judged: dict[_Sign, Match] = {}
"""By job, class of machines and what is left; kept in the worker from poll to poll."""


@lru_cache(10_000)
def depends_on_free_room(requirements: str) -> bool:
    """Whether Requirements say more of cores, memory, disk and GPUs than that the request fits."""
    return _LOOKS.search(_FITS.sub("true", requirements)) is not None


def match_partial_slots(
    slots: Slots, groups: Iterable[JobGroup], jobs: Mapping[str, Any], on_kinds: Matches
) -> tuple[tuple[Machine, ...], Matches]:
    """Machines and matches, where machines that have too little left for some of the jobs are of kinds of their own."""
    picky = [group for group in groups if group.problem is None and depends_on_free_room(group.requirements)]
    if not picky:
        return slots.machines, on_kinds
    if len(_judged) > _KEEP:
        _judged.clear()
    asks = {group.key: group.ask for group in picky}
    texts = {key: str(jobs[key]) for key in asks}
    signs = {key: None if depends_on_time(text) else digest_of(text) for key, text in texts.items()}
    passing = {kind for kind, ad in slots.kinds.items() if depends_on_time(str(ad))}

    def sign(key: str, machine: Machine) -> _Sign | None:
        """None: what it stands for holds for this poll only."""
        of_job = signs[key]
        return None if of_job is None or machine.kind in passing else (of_job, machine.kind, machine.free)

    machines, kinds = [], dict[tuple[str, Room], str]()
    more: dict[str, tuple[str, dict[str, Match]]] = {}
    for machine in slots.machines:
        if machine.leaving or machine.free == machine.total:
            machines.append(machine)
            continue
        of = machine.kind, machine.free
        if of not in kinds:
            refusals = _refusals(slots.kinds[machine.kind], machine, asks, sign, jobs, on_kinds)
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
    sign: Callable[[str, Machine], _Sign | None],
    jobs: Mapping[str, Any],
    on_kinds: Matches,
) -> dict[str, Match]:
    """The groups that would run on the whole machine and not on what is left, though that is what they ask for."""
    found, ad = {}, None
    for key, ask in asks.items():
        if not machine.free.holds(ask) or not on_kinds[key, machine.kind].ok:
            continue
        of = sign(key, machine)
        judged = _judged.get(of) if of is not None else None
        if judged is None:
            ad = ad or _ad(whole, machine.free)
            judged = match(jobs[key], ad)
            if of is not None:
                _judged[of] = judged
        if not judged.ok:
            found[key] = replace(judged, why=f"{judged.why} with what is left")
    return found


def _ad(whole: Any, free: Room) -> Any:
    import classad2

    copy = classad2.ClassAd()
    for name in whole:
        copy[name] = whole.lookup(name)
    for name, amount in zip(ROOM, (free.cpus, free.memory_mb, free.disk_kb, free.gpus), strict=True):
        copy[name] = int(amount)
    return copy
