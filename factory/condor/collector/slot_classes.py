"""Group slot ads in classes that every job group matches alike."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

from factory.condor.classad.digest import short_digest
from factory.condor.classad.guard import Refused, fold_each, why_refused
from factory.condor.classad.values import copy_ad, has, parse_number, value
from factory.condor.collector.gpus import set_all_available, splitting_attributes
from factory.condor.collector.slots import ROOM, TOTAL, Slots
from factory.model.demand import Machine, Room, model_of

_ALWAYS_SPLIT = frozenset(name.lower() for name in (*TOTAL, "Start"))


def group_slots(
    ads: Iterable[Any], splitting: Collection[str], factory: str, now: float, custom: Collection[str] = ()
) -> Slots:
    """Return machines and their classes from slot ads.

    Ads are read from their text, which takes a third of the time of one call per attribute.

    Args:
        ads: Slot ads.
        splitting: Attributes that split classes, in lower case.
        factory: APFFactory of this factory's machines, as a ClassAd literal.
        now: Epoch of the query.
        custom: Custom resources that count, in lower case.
    """
    grouping = _Grouping(frozenset({*splitting, *_ALWAYS_SPLIT}), factory, now, custom)
    problems: list[str] = []
    machines = tuple(fold_each(ads, grouping.add, lambda ad: f"slot {value(ad, 'Name')}", problems))
    return Slots(machines, grouping.kinds, grouping.models, tuple(problems))


class _Grouping:
    """Classes and models of the slots that were added."""

    def __init__(self, names: frozenset[str], factory: str, now: float, custom: Collection[str]) -> None:
        self.kinds: dict[str, Any] = {}
        self.models: dict[str, dict[str, dict[str, int]]] = {}
        self._names = names
        self._of_slot = factory, now, custom
        self._ids: dict[tuple[tuple[str, str], ...], str | Refused] = {}

    def add(self, ad: Any) -> Machine:
        """Return the machine of a slot ad, and add its class.

        Raises:
            Refused: the ad may do harm when it is evaluated.
        """
        texts, names = _texts(ad), self._names
        split = names if "availablegpus" not in names else splitting_attributes(names, texts) or names
        custom = self._of_slot[2]
        if custom:  # fitting counts the free amount apart
            split = split - {name for name in custom if f"totalslot{name}" in texts}
        shown = tuple(sorted([pair for pair in texts.items() if pair[0] in split]))
        kind = self._ids.get(shown)
        if kind is None:
            kind = self._ids[shown] = self._add_class(ad, shown)
        if isinstance(kind, Refused):
            raise kind
        machine = _machine(texts, kind, *self._of_slot)
        if machine.ours and machine.vm and not machine.retiring:  # a retiring machine takes no job, a new one would
            model = model_of(*(texts.get(name, "").strip('"') for name in ("apfqueue", "apfshape", "apfbuild")))
            without_job = self.models.setdefault(model, {}).setdefault(kind, {})
            free, total = machine.free, machine.total
            if texts.get("state") == '"Unclaimed"' and (free.cpus, free.memory_mb) == (total.cpus, total.memory_mb):
                without_job[machine.vm] = int(_amount(texts.get("updatesequencenumber", "0")))
        return machine

    def _add_class(self, ad: Any, shown: Iterable[tuple[str, str]]) -> str | Refused:
        why = why_refused(ad)
        if why is None:
            whole = _representative(ad, self._of_slot[2])
            why = why_refused(whole)
        if why is not None:
            return Refused(why)
        kind = _kind(shown)
        self.kinds[kind] = whole
        return kind


def _texts(ad: Any) -> dict[str, str]:
    """Return the attributes of an ad, in lower case, and their expressions as written."""
    try:
        pairs = [line.split(" = ", 1) for line in ad.printOld().split("\n") if line]
    except UnicodeDecodeError:
        return {_lower(name): str(ad.lookup(name)) for name in ad}
    return {_lower(name): text for name, text in pairs}


@lru_cache(4096)
def _lower(name: str) -> str:
    return name.lower()


def _kind(shown: Iterable[tuple[str, str]]) -> str:
    """Return a short name of a class, the same in every poll."""
    return short_digest("\n".join(f"{name}={expression}" for name, expression in shown))


def _representative(ad: Any, custom: Collection[str]) -> Any:
    """Return the ad that the slot would show if it were empty: fitting counts free room apart."""
    import classad2

    copy = copy_ad(ad)
    for name, total in (*zip(ROOM, TOTAL, strict=True), *((name, f"TotalSlot{name}") for name in custom)):
        if has(ad, total):
            copy[name] = ad[total]
    set_all_available(copy)
    copy["WithinResourceLimits"] = True
    copy["State"], copy["Activity"] = "Unclaimed", "Idle"
    if not has(copy, "Requirements"):
        copy["Requirements"] = classad2.ExprTree("START")
    return copy


def _machine(texts: Mapping[str, str], kind: str, factory: str, now: float, custom: Collection[str]) -> Machine:
    get = texts.get
    cpus, memory, disk, gpus = get("cpus", "0"), get("memory", "0"), get("disk", "0"), get("gpus", "0")
    return Machine(
        get("name", "").strip('"'),
        kind,
        _room(cpus, memory, disk, gpus, _custom(texts, "", custom)),
        _room(
            get("totalslotcpus", cpus),
            get("totalslotmemory", memory),
            get("totalslotdisk", disk),
            get("totalslotgpus", gpus),
            _custom(texts, "totalslot", custom),
        ),
        texts["apfvm"].strip('"') if "apfvm" in texts else None,
        get("partitionableslot") != "true",
        _amount(texts["daemonstoptime"]) if "daemonstoptime" in texts else None,
        get("draining") == "true" or get("state") in ('"Drained"', '"Owner"') or get("start") == "false",
        get("apffactory") == factory,
        max(0.0, now - _amount(texts["lastheardfrom"])) if "lastheardfrom" in texts else 0.0,
        get("offline") == "true",
    )


@lru_cache(2_000)
def _room(cpus: str, memory: str, disk: str, gpus: str, custom: tuple[tuple[str, float], ...]) -> Room:
    return Room(_amount(cpus), _amount(memory), _amount(disk), _amount(gpus), custom)


def _custom(texts: Mapping[str, str], scope: str, names: Collection[str]) -> tuple[tuple[str, float], ...]:
    """Return the custom resources that a slot has."""
    if not names:
        return ()
    here = (name for name in sorted(names) if f"totalslot{name}" in texts)  # a job can give any request a name
    return tuple((name, _amount(texts.get(scope + name, "0"))) for name in here)


def _amount(printed: str) -> float:
    amount = parse_number(printed)
    return amount if amount is not None and math.isfinite(amount) else 0.0
