"""Slots of a pool as machines with free room, in classes of slots that look the same to every job group."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from factory.condor.daemons import PoolAddress
from factory.fit.model import Machine, Room

_ROOM = ("Cpus", "Memory", "Disk", "GPUs")
_TOTAL = ("TotalSlotCpus", "TotalSlotMemory", "TotalSlotDisk", "TotalSlotGPUs")
_BASE = [
    "Name", "SlotType", "State", "Activity", "PartitionableSlot", "Draining", "APFVM", "APFLeaseEnd", "DaemonStopTime",
    "Start", "Requirements", "LastHeardFrom", *_ROOM, *_TOTAL,
]  # fmt: skip
CHANGING = frozenset(
    name.lower()
    for name in (
        *_ROOM, "Name", "State", "Activity", "SlotID", "LoadAvg", "CondorLoadAvg", "TotalLoadAvg", "KeyboardIdle",
        "ConsoleIdle", "CurrentTime", "MyCurrentTime", "EnteredCurrentState", "EnteredCurrentActivity",
        "LastHeardFrom", "NumDynamicSlots", "NumDynamicSlotsTime", "WithinResourceLimits", "SlotType", "Draining",
        "DaemonStopTime", "APFVM", "Requirements", "Start",
    )
)  # fmt: skip
"""Attributes that do not make a class: room is reckoned with, and the rest changes while nothing does."""

_seen_references: dict[str, frozenset[str]] = {}
"""By pool: what the machines' own expressions refer to; kept in the worker, so that one query does."""


@dataclass(frozen=True)
class Slots:
    """Machines, and for each class an ad that stands for its slots in matchmaking."""

    machines: tuple[Machine, ...]
    kinds: Mapping[str, Any]
    """Class → ``classad2.ClassAd``."""


def open_slots(address: PoolAddress, references: Collection[str]) -> Slots:
    """The slots of a pool that could take a job. ``references``: attributes that job groups refer to."""
    import htcondor2

    collector = address.open()
    own = _seen_references.get(str(address), frozenset())
    while True:
        attributes = sorted({*references, *own, *_BASE})
        ads = collector.query(
            htcondor2.AdType.Startd,
            constraint='SlotType =!= "Dynamic" && Cpus > 0 && (PartitionableSlot =?= true || State == "Unclaimed")',
            projection=attributes,
        )
        missing = _own_references(ads) - {name.lower() for name in attributes}
        if not missing:
            break
        own = own | missing
        _seen_references[str(address)] = own
    return fold(ads, {name.lower() for name in (*references, *own)} - CHANGING)


def _own_references(ads: Iterable[Any]) -> frozenset[str]:
    """Attributes of the machine that Start and Requirements refer to, over the expressions that occur."""
    names: set[str] = set()
    done: set[str] = set()
    for ad in ads:
        for attribute in ("Start", "Requirements"):
            tree = ad.lookup(attribute) if attribute in ad else None
            text = str(tree)
            if tree is None or text in done:
                continue
            done.add(text)
            for name in ad.externalRefs(tree):
                scope, _, plain = name.rpartition(".")
                if scope.upper() != "TARGET":
                    names.add(plain.lower())
    return frozenset(names) - {"withinresourcelimits"}


def fold(ads: Iterable[Any], telling: Collection[str]) -> Slots:
    """Machines and their classes from slot ads. ``telling``: attributes that tell classes apart."""
    import classad2

    names = sorted({*telling, *(name.lower() for name in _TOTAL), "start"})
    machines: list[Machine] = []
    kinds: dict[str, Any] = {}
    ids: dict[tuple[str, ...], str] = {}
    for ad in ads:
        sign = tuple(str(ad.lookup(name)) if name in ad else "" for name in names)
        kind = ids.get(sign)
        if kind is None:
            kind = ids[sign] = "|".join(sign)
            kinds[kind] = _representative(ad, classad2)
        machines.append(_machine(ad, kind))
    return Slots(tuple(machines), kinds)


def _representative(ad: Any, classad2: Any) -> Any:
    """An ad as the slot would show it wholly free: room is reckoned with apart."""
    copy = classad2.ClassAd()
    for name in ad:
        copy[name] = ad.lookup(name)
    for name, total in zip(_ROOM, _TOTAL, strict=True):
        if total in ad:
            copy[name] = ad[total]
    copy["WithinResourceLimits"] = True
    copy["State"], copy["Activity"] = "Unclaimed", "Idle"
    if "Requirements" not in copy:
        copy["Requirements"] = classad2.ExprTree("START")
    return copy


def _machine(ad: Mapping[str, Any], kind: str) -> Machine:
    free = Room(*(_number(ad.get(name)) for name in _ROOM))
    total = Room(*(_number(ad.get(total, ad.get(name))) for name, total in zip(_ROOM, _TOTAL, strict=True)))
    partitionable = ad.get("PartitionableSlot") is True
    ends = [_number(ad[name]) for name in ("APFLeaseEnd", "DaemonStopTime") if name in ad]
    return Machine(
        name=str(ad.get("Name", "")),
        kind=kind,
        free=free,
        total=total,
        vm=str(ad["APFVM"]) if "APFVM" in ad else None,
        static=not partitionable,
        leaves_at=min(ends) if ends else None,
        leaving=ad.get("Draining") is True or ad.get("State") in ("Drained", "Owner"),
    )


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
