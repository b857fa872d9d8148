"""Slots of a pool as machines with free room, grouped in classes that every job group matches alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from factory.condor.classad.digest import short_digest
from factory.condor.classad.literals import quote
from factory.condor.classad.references import machine_references
from factory.condor.classad.unknowns import NEW_NAMES
from factory.condor.classad.values import copy_ad, has, parse_number
from factory.condor.collector.gpus import gpu_attributes, is_of_one_device, set_all_available, splitting_attributes
from factory.condor.connect import open_collector
from factory.model.address import PoolAddress
from factory.model.demand import Machine, Room, model_of
from factory.model.model_facts import ShownAttributes

ROOM = ("Cpus", "Memory", "Disk", "GPUs")
"""Attributes of a slot that jobs use up."""
_TOTAL = ("TotalSlotCpus", "TotalSlotMemory", "TotalSlotDisk", "TotalSlotGPUs")
_BASE = [
    "Name", "SlotType", "State", "PartitionableSlot", "Draining", "APFVM", "APFFactory", "APFQueue", "APFShape",
    "APFBuild", "DaemonStopTime", "LastHeardFrom", "Offline", "Start", "Requirements", "UpdateSequenceNumber", *ROOM,
    *_TOTAL,
]  # fmt: skip
_CHANGING = frozenset(
    name.lower()
    for name in (
        *ROOM, "Name", "State", "Activity", "SlotID", "LoadAvg", "CondorLoadAvg", "TotalLoadAvg", "KeyboardIdle",
        "ConsoleIdle", "CurrentTime", "MyCurrentTime", "EnteredCurrentState", "EnteredCurrentActivity",
        "LastHeardFrom", "NumDynamicSlots", "NumDynamicSlotsTime", "WithinResourceLimits", "SlotType", "Draining",
        "DaemonStopTime", "APFVM", "APFShape", "Requirements", "Start", "UpdateSequenceNumber",
    )
)  # fmt: skip
"""Attributes that never split classes: fitting counts free room apart, and the others change all the time."""
_ALWAYS_SPLIT = frozenset(name.lower() for name in (*_TOTAL, "Start"))
_OF_ONE_MACHINE = (
    (_CHANGING - {"start", "requirements", *map(str.lower, ROOM)})
    | NEW_NAMES
    | {"apffactory", "apfqueue", "apfbuild", "offline", "partitionableslot"}
)
"""Attributes that say nothing of other machines."""
_MOST_CLASSES = 50
"""Classes of one model that a poll looks at."""

_seen_references: dict[str, frozenset[str]] = {}
"""By pool: attributes that the machines' expressions refer to. The worker keeps them, so that one query is enough."""


@dataclass(frozen=True)
class Slots:
    """Machines, and for each machine class the ad that represents it in matchmaking."""

    machines: tuple[Machine, ...] = ()
    kinds: Mapping[str, Any] = field(default_factory=dict)
    """Class → ``classad2.ClassAd``."""
    models: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)
    """Model → classes of its VMs that take jobs → APFVM of those without a job → number of updates of its ad."""
    asked: frozenset[str] = frozenset()
    """Attributes that were asked for because expressions refer to them, in lower case."""

    def unready(self, is_unready: Callable[[str], bool]) -> frozenset[str]:
        """Return the classes of VMs without a job for which ``is_unready`` is true."""
        free = {kind for kinds in self.models.values() for kind, vms in kinds.items() if vms}
        return frozenset(kind for kind in sorted(free) if is_unready(kind))

    def with_more(self, other: Slots) -> Slots:
        """Return the classes and models of both; they share no model."""
        return replace(
            self,
            kinds={**self.kinds, **other.kinds},
            models={**self.models, **other.models},
            asked=self.asked | other.asked,
        )

    def shown(self, unready: Collection[str]) -> Iterator[ShownAttributes]:
        """Yield what the VMs of each model show, except those of ``unready`` classes. Each class comes once."""
        asked = frozenset(name for name in self.asked if not _is_of_one_machine(name))
        for model, kinds in self.models.items():
            ready = sorted((not vms, kind) for kind, vms in kinds.items() if kind not in unready)
            for _, kind in ready[:_MOST_CLASSES]:
                ad = self.kinds[kind]
                names = [name for name in ad if not _is_of_one_machine(name.lower())]
                texts = {name.lower(): str(ad.lookup(name)) for name in names}
                yield ShownAttributes(model, texts, asked, kinds[kind])


@dataclass(frozen=True)
class SlotNeeds:
    """Attributes and resources of slots that jobs refer to. Names are in lower case."""

    references: frozenset[str] = frozenset()
    """Machine attributes that Requirements refer to."""
    custom: frozenset[str] = frozenset()
    """Custom resources that jobs request."""

    def __or__(self, other: SlotNeeds) -> SlotNeeds:
        return SlotNeeds(self.references | other.references, self.custom | other.custom)

    @property
    def attributes(self) -> frozenset[str]:
        """Attributes to query."""
        totals = (f"totalslot{name}" for name in self.custom)
        return self.references.union(self.custom, totals, gpu_attributes(self.references))


def query_slots(address: PoolAddress, factory_id: str, needs: SlotNeeds, least: Room) -> Slots:
    """Query the slots that could take a job that asks for ``least``, and all VMs without a job.

    The query repeats until it has all attributes that the machines' own expressions refer to.
    """
    return _query(address, factory_id, needs, slot_constraint(least))


def _query(address: PoolAddress, factory_id: str, needs: SlotNeeds, constraint: str) -> Slots:
    import htcondor2

    collector, references = open_collector(address), needs.attributes
    own = _seen_references.get(str(address), frozenset())
    while True:
        attributes = sorted({name.lower() for name in (*references, *own, *_BASE)})
        now = time.time()
        ads = collector.query(htcondor2.AdType.Startd, constraint=constraint, projection=attributes)
        referenced = {name.lower() for name in (*references, *own)}
        slots = group_slots(ads, referenced - _CHANGING - needs.custom, quote(factory_id), now, needs.custom)
        missing = machine_references(slots.kinds.values(), references)[0] - {"withinresourcelimits"} - referenced
        if not missing:
            return replace(slots, asked=frozenset(referenced))
        own = own | missing
        _seen_references[str(address)] = own


def query_vms(address: PoolAddress, factory_id: str, needs: SlotNeeds, models: Collection[str]) -> Slots:
    """Query the VMs of these models, also those that are full; see :func:`query_slots`."""
    model = 'strcat(APFQueue, " ", APFShape, " ", ifThenElse(isUndefined(APFBuild), "", APFBuild))'
    wanted = f"member({model}, {{{', '.join(map(quote, sorted(models)))}}})"
    constraint = f'SlotType =!= "Dynamic" && APFFactory =?= {quote(factory_id)} && {wanted}'
    return _query(address, factory_id, needs, constraint)


def mark_unready(machines: tuple[Machine, ...], kinds: Collection[str]) -> tuple[Machine, ...]:
    """Return the machines; those of these classes are not ready yet."""
    if not kinds:
        return machines
    return tuple(replace(machine, unready=True) if machine.kind in kinds else machine for machine in machines)


def _is_of_one_machine(name: str) -> bool:
    return name in _OF_ONE_MACHINE or is_of_one_device(name)


def slot_constraint(least: Room) -> str:
    """Return the constraint for slots that could take a job that asks for ``least``, and for VMs without a job."""
    roomy = f"Cpus > 0 && Cpus >= {least.cpus:.0f} && Memory >= {least.memory_mb:.0f}"
    return (
        'SlotType =!= "Dynamic" && (PartitionableSlot =?= true || State == "Unclaimed")'
        f" && (({roomy}) || (APFVM =!= undefined && NumDynamicSlots =?= 0))"
    )


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
    names = {*splitting, *_ALWAYS_SPLIT}
    machines: list[Machine] = []
    kinds: dict[str, Any] = {}
    models: dict[str, dict[str, dict[str, int]]] = {}
    ids: dict[tuple[tuple[str, str], ...], str] = {}
    for ad in ads:
        texts = _texts(ad)
        split = names if "availablegpus" not in names else splitting_attributes(names, texts) or names
        shown = tuple(sorted([pair for pair in texts.items() if pair[0] in split]))
        kind = ids.get(shown)
        if kind is None:
            kind = ids[shown] = _kind(shown)
            kinds[kind] = _representative(ad, custom)
        machine = _machine(texts, kind, factory, now, custom)
        machines.append(machine)
        if machine.ours and machine.vm and not machine.retiring:  # a retiring machine takes no job, a new one would
            model = model_of(*(texts.get(name, "").strip('"') for name in ("apfqueue", "apfshape", "apfbuild")))
            without_job = models.setdefault(model, {}).setdefault(kind, {})
            free, total = machine.free, machine.total
            if texts.get("state") == '"Unclaimed"' and (free.cpus, free.memory_mb) == (total.cpus, total.memory_mb):
                without_job[machine.vm] = int(_amount(texts.get("updatesequencenumber", "0")))
    return Slots(tuple(machines), kinds, models)


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
    for name, total in (*zip(ROOM, _TOTAL, strict=True), *((name, f"TotalSlot{name}") for name in custom)):
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
    amounts = {name: texts.get(scope + name, texts.get(name)) for name in sorted(names)}
    return tuple((name, _amount(text)) for name, text in amounts.items() if text is not None)


def _amount(printed: str) -> float:
    return parse_number(printed) or 0.0
