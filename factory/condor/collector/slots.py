"""Slots of a pool as machines with free room, grouped in classes that every job group matches alike."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from factory.condor.classad.digest import short_digest
from factory.condor.classad.literals import quote
from factory.condor.classad.references import machine_references
from factory.condor.classad.values import copy_ad, has, parse_number
from factory.condor.connect import open_collector
from factory.model.address import PoolAddress
from factory.model.demand import Machine, Room

ROOM = ("Cpus", "Memory", "Disk", "GPUs")
"""Attributes of a slot that jobs use up."""
_TOTAL = ("TotalSlotCpus", "TotalSlotMemory", "TotalSlotDisk", "TotalSlotGPUs")
_BASE = [
    "Name", "SlotType", "State", "PartitionableSlot", "Draining", "APFVM", "APFFactory", "APFQueue", "APFShape",
    "APFBuild", "DaemonStopTime", "LastHeardFrom", "Offline", "Start", "Requirements", *ROOM, *_TOTAL,
]  # fmt: skip
_CHANGING = frozenset(
    name.lower()
    for name in (
        *ROOM, "Name", "State", "Activity", "SlotID", "LoadAvg", "CondorLoadAvg", "TotalLoadAvg", "KeyboardIdle",
        "ConsoleIdle", "CurrentTime", "MyCurrentTime", "EnteredCurrentState", "EnteredCurrentActivity",
        "LastHeardFrom", "NumDynamicSlots", "NumDynamicSlotsTime", "WithinResourceLimits", "SlotType", "Draining",
        "DaemonStopTime", "APFVM", "APFShape", "Requirements", "Start",
    )
)  # fmt: skip
"""Attributes that never split classes: fitting counts free room apart, and the others change all the time."""
_MODEL = ("apffactory", "apfqueue", "apfshape", "apfbuild")
_ALWAYS_SPLIT = frozenset(name.lower() for name in (*_TOTAL, "Start"))

MachineModel = tuple[str, str, str]
"""Factory id, ``"queue shape"`` and build. VMs of one model show the same attributes."""

_seen_references: dict[str, frozenset[str]] = {}
"""By pool: attributes that the machines' expressions refer to. The worker keeps them, so that one query is enough."""
_examples: dict[str, dict[MachineModel, Any]] = {}
"""By pool: the last ad seen of a VM of each model; kept in the worker."""


@dataclass(frozen=True)
class Slots:
    """Machines, and for each machine class the ad that represents it in matchmaking."""

    machines: tuple[Machine, ...] = ()
    kinds: Mapping[str, Any] = field(default_factory=dict)
    """Class → ``classad2.ClassAd``."""
    examples: Mapping[MachineModel, Any] = field(default_factory=dict)
    """The ad of a VM of each model seen so far."""
    in_pool: frozenset[MachineModel] = frozenset()
    """Models with a VM in the pool now. An attribute that is undefined there stays undefined."""


def query_slots(address: PoolAddress, factory_id: str, references: Collection[str], least: Room) -> Slots:
    """Query the slots that could take a job that asks for ``least``, and all VMs without a job.

    ``references``: attributes that job groups refer to. The query repeats until it has all attributes that the
    machines' own expressions refer to.
    """
    import htcondor2

    collector = open_collector(address)
    own = _seen_references.get(str(address), frozenset())
    while True:
        attributes = sorted({name.lower() for name in (*references, *own, *_BASE)})
        now = time.time()
        ads = collector.query(htcondor2.AdType.Startd, constraint=slot_constraint(least), projection=attributes)
        referenced = {name.lower() for name in (*references, *own)}
        slots = group_slots(ads, referenced - _CHANGING, quote(factory_id), now)
        missing = machine_references(slots.kinds.values(), references)[0] - {"withinresourcelimits"} - referenced
        if not missing:
            examples = _examples.setdefault(str(address), {})
            examples.update(slots.examples)
            return replace(slots, examples=dict(examples), in_pool=frozenset(slots.examples))
        own = own | missing
        _seen_references[str(address)] = own


def slot_constraint(least: Room) -> str:
    """Return the constraint for slots that could take a job that asks for ``least``, and for VMs without a job."""
    roomy = f"Cpus > 0 && Cpus >= {least.cpus:.0f} && Memory >= {least.memory_mb:.0f}"
    return (
        'SlotType =!= "Dynamic" && (PartitionableSlot =?= true || State == "Unclaimed")'
        f" && (({roomy}) || (APFVM =!= undefined && NumDynamicSlots =?= 0))"
    )


def group_slots(ads: Iterable[Any], splitting: Collection[str], factory: str, now: float) -> Slots:
    """Return machines and their classes from slot ads.

    ``splitting``: attributes that split classes, in lower case. ``factory``: APFFactory of this factory's machines, as
    a ClassAd literal. Ads are read from their text, which takes a third of the time of one call per attribute.
    """
    names = {*splitting, *_ALWAYS_SPLIT}
    machines: list[Machine] = []
    kinds: dict[str, Any] = {}
    examples: dict[MachineModel, Any] = {}
    ids: dict[tuple[tuple[str, str], ...], str] = {}
    for ad in ads:
        texts = _texts(ad)
        shown = tuple(sorted([pair for pair in texts.items() if pair[0] in names]))
        kind = ids.get(shown)
        if kind is None:
            kind = ids[shown] = _kind(shown)
            kinds[kind] = _representative(ad)
        machine = _machine(texts, kind, factory, now)
        machines.append(machine)
        if "apfshape" in texts and not machine.retiring:  # a retiring machine takes no job, a new one would
            owner, queue, shape, build = (texts.get(name, "").strip('"') for name in _MODEL)
            examples.setdefault((owner, f"{queue} {shape}", build), kinds[kind])
    return Slots(tuple(machines), kinds, examples)


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


def _representative(ad: Any) -> Any:
    """Return the ad that the slot would show if it were empty: fitting counts free room apart."""
    import classad2

    copy = copy_ad(ad)
    for name, total in zip(ROOM, _TOTAL, strict=True):
        if has(ad, total):
            copy[name] = ad[total]
    copy["WithinResourceLimits"] = True
    copy["State"], copy["Activity"] = "Unclaimed", "Idle"
    if not has(copy, "Requirements"):
        copy["Requirements"] = classad2.ExprTree("START")
    return copy


def _machine(texts: Mapping[str, str], kind: str, factory: str, now: float) -> Machine:
    get = texts.get
    cpus, memory, disk, gpus = get("cpus", "0"), get("memory", "0"), get("disk", "0"), get("gpus", "0")
    return Machine(
        get("name", "").strip('"'),
        kind,
        _room(cpus, memory, disk, gpus),
        _room(
            get("totalslotcpus", cpus),
            get("totalslotmemory", memory),
            get("totalslotdisk", disk),
            get("totalslotgpus", gpus),
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
def _room(cpus: str, memory: str, disk: str, gpus: str) -> Room:
    return Room(_amount(cpus), _amount(memory), _amount(disk), _amount(gpus))


def _amount(printed: str) -> float:
    return parse_number(printed) or 0.0
