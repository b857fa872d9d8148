"""Slots of a pool as machines with free room, in classes of slots that look the same to every job group."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from factory.condor.classad.digest import short_digest
from factory.condor.classad.literals import quote
from factory.condor.classad.references import machine_references
from factory.condor.classad.values import has
from factory.condor.connect import open_collector
from factory.model.address import PoolAddress
from factory.model.demand import Machine, Room

ROOM = ("Cpus", "Memory", "Disk", "GPUs")
"""What of a slot is taken by jobs."""
_TOTAL = ("TotalSlotCpus", "TotalSlotMemory", "TotalSlotDisk", "TotalSlotGPUs")
_BASE = [
    "Name", "SlotType", "State", "PartitionableSlot", "Draining", "APFVM", "APFFactory", "APFQueue", "APFShape",
    "APFBuild", "DaemonStopTime", "LastHeardFrom", "Start", "Requirements", *ROOM, *_TOTAL,
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
"""Attributes that do not make a class: room is reckoned with, and the rest changes while nothing does."""
_MADE = ("apffactory", "apfqueue", "apfshape", "apfbuild")
_TELLING = frozenset(name.lower() for name in (*_TOTAL, "Start"))

MachineModel = tuple[str, str, str]
"""Factory, queue and shape, and build: what machines have in common that are made alike."""

_seen_references: dict[str, frozenset[str]] = {}
"""By pool: what the machines' own expressions refer to; kept in the worker, so that one query does."""
_examples: dict[str, dict[MachineModel, Any]] = {}
"""By pool: the last ad seen of a VM that was made so; kept in the worker."""


@dataclass(frozen=True)
class Slots:
    """Machines, and for each class an ad that stands for its slots in matchmaking."""

    machines: tuple[Machine, ...] = ()
    kinds: Mapping[str, Any] = field(default_factory=dict)
    """Class → ``classad2.ClassAd``."""
    examples: Mapping[MachineModel, Any] = field(default_factory=dict)
    """The ad of a VM that was made so."""
    in_pool: frozenset[MachineModel] = frozenset()
    """Those of them that are in the pool now: what is undefined there stays so."""


def query_slots(address: PoolAddress, factory_id: str, references: Collection[str], least: Room) -> Slots:
    """The slots of a pool that could take a job that asks for ``least``, and all VMs that are wholly free.

    ``references``: attributes that job groups refer to.
    """
    import htcondor2

    collector = open_collector(address)
    own = _seen_references.get(str(address), frozenset())
    while True:
        attributes = sorted({name.lower() for name in (*references, *own, *_BASE)})
        now = time.time()
        ads = collector.query(htcondor2.AdType.Startd, constraint=slot_constraint(least), projection=attributes)
        telling = {name.lower() for name in (*references, *own)}
        slots = group_slots(ads, telling - _CHANGING, quote(factory_id), now)
        missing = machine_references(slots.kinds.values(), references)[0] - {"withinresourcelimits"} - telling
        if not missing:
            examples = _examples.setdefault(str(address), {})
            examples.update(slots.examples)
            return replace(slots, examples=dict(examples), in_pool=frozenset(slots.examples))
        own = own | missing
        _seen_references[str(address)] = own


def slot_constraint(least: Room) -> str:
    """Constraint over slot ads: those that could take a job that asks for ``least``, and VMs that are wholly free."""
    roomy = f"Cpus > 0 && Cpus >= {least.cpus:.0f} && Memory >= {least.memory_mb:.0f}"
    return (
        'SlotType =!= "Dynamic" && (PartitionableSlot =?= true || State == "Unclaimed")'
        f" && (({roomy}) || (APFVM =!= undefined && NumDynamicSlots =?= 0))"
    )


def group_slots(ads: Iterable[Any], telling: Collection[str], factory: str, now: float) -> Slots:
    """Machines and their classes from slot ads. ``telling``: attributes that tell classes apart, in lower case.

    ``factory``: what APFFactory is on machines of this factory, as a ClassAd literal. Ten thousand ads are read by
    their text, which takes a third of the time of asking for each attribute.
    """
    names = {*telling, *_TELLING}
    machines: list[Machine] = []
    kinds: dict[str, Any] = {}
    examples: dict[MachineModel, Any] = {}
    ids: dict[tuple[tuple[str, str], ...], str] = {}
    for ad in ads:
        texts = _texts(ad)
        sign = tuple(sorted([shown for shown in texts.items() if shown[0] in names]))
        kind = ids.get(sign)
        if kind is None:
            kind = ids[sign] = _kind(sign)
            kinds[kind] = _representative(ad)
        machine = _machine(texts, kind, factory, now)
        machines.append(machine)
        if "apfshape" in texts and not machine.leaving:  # a machine that leaves takes no job, a new one would
            whose, queue, shape, build = (texts.get(name, "").strip('"') for name in _MADE)
            examples.setdefault((whose, f"{queue} {shape}", build), kinds[kind])
    return Slots(tuple(machines), kinds, examples)


def _texts(ad: Any) -> dict[str, str]:
    """Attributes, in lower case, and their expressions as written."""
    try:
        pairs = [line.split(" = ", 1) for line in ad.printOld().split("\n") if line]
    except UnicodeDecodeError:
        return {_lower(name): str(ad.lookup(name)) for name in ad}
    return {_lower(name): text for name, text in pairs}


@lru_cache(4096)
def _lower(name: str) -> str:
    return name.lower()


def _kind(sign: Iterable[tuple[str, str]]) -> str:
    """A short name for a class, the same in every poll."""
    text = "\n".join(f"{name}={value}" for name, value in sign)
    return short_digest(text)


def _representative(ad: Any) -> Any:
    """An ad as the slot would show it wholly free: room is reckoned with apart."""
    import classad2

    copy = classad2.ClassAd()
    for name in ad:
        copy[name] = ad.lookup(name)
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
        _number(texts["daemonstoptime"]) if "daemonstoptime" in texts else None,
        get("draining") == "true" or get("state") in ('"Drained"', '"Owner"') or get("start") == "false",
        get("apffactory") == factory,
        max(0.0, now - _number(texts["lastheardfrom"])) if "lastheardfrom" in texts else 0.0,
    )


@lru_cache(2_000)
def _room(cpus: str, memory: str, disk: str, gpus: str) -> Room:
    return Room(_number(cpus), _number(memory), _number(disk), _number(gpus))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
