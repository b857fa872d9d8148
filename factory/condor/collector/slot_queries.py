"""Query the slots that waiting jobs could use, and the VMs of some models."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace

from factory.condor.classad.literals import quote
from factory.condor.classad.references import machine_references
from factory.condor.collector.slot_classes import group_slots
from factory.condor.collector.slots import CHANGING, ROOM, TOTAL, SlotNeeds, Slots
from factory.condor.connect import open_collector
from factory.model.address import PoolAddress
from factory.model.demand import Room

_BASE = [
    "Name", "SlotType", "State", "PartitionableSlot", "Draining", "APFVM", "APFFactory", "APFQueue", "APFShape",
    "APFBuild", "DaemonStopTime", "LastHeardFrom", "Offline", "Start", "Requirements", "UpdateSequenceNumber", *ROOM,
    *TOTAL,
]  # fmt: skip
_seen_references: dict[str, frozenset[str]] = {}
"""By pool: attributes that the machines' expressions refer to. The worker keeps them, so that one query is enough."""


def query_slots(address: PoolAddress, factory_id: str, needs: SlotNeeds, least: Room) -> Slots:
    """Query the slots that could take a job that asks for ``least``, and all VMs without a job.

    The query repeats until it has all attributes that the machines' own expressions refer to.
    """
    return _query(address, factory_id, needs, slot_constraint(least))


def query_vms(address: PoolAddress, factory_id: str, needs: SlotNeeds, models: Collection[str]) -> Slots:
    """Query the VMs of these models, also those that are full; see :func:`query_slots`."""
    model = 'strcat(APFQueue, " ", APFShape, " ", ifThenElse(isUndefined(APFBuild), "", APFBuild))'
    wanted = f"member({model}, {{{', '.join(map(quote, sorted(models)))}}})"
    constraint = f'SlotType =!= "Dynamic" && APFFactory =?= {quote(factory_id)} && {wanted}'
    return _query(address, factory_id, needs, constraint)


def _query(address: PoolAddress, factory_id: str, needs: SlotNeeds, constraint: str) -> Slots:
    import htcondor2

    collector, references = open_collector(address), needs.attributes
    own = _seen_references.get(str(address), frozenset())
    while True:
        attributes = sorted({name.lower() for name in (*references, *own, *_BASE)})
        now = time.time()
        ads = collector.query(htcondor2.AdType.Startd, constraint=constraint, projection=attributes)
        referenced = {name.lower() for name in (*references, *own)}
        slots = group_slots(ads, referenced - CHANGING, quote(factory_id), now, needs.custom)
        missing = machine_references(slots.kinds.values(), references)[0] - {"withinresourcelimits"} - referenced
        if not missing:
            return replace(slots, asked=frozenset(referenced))
        own = own | missing
        _seen_references[str(address)] = own


def slot_constraint(least: Room) -> str:
    """Return the constraint for slots that could take a job that asks for ``least``, and for VMs without a job."""
    roomy = f"Cpus > 0 && Cpus >= {least.cpus:.0f} && Memory >= {least.memory_mb:.0f}"
    return (
        'SlotType =!= "Dynamic" && (PartitionableSlot =?= true || State == "Unclaimed")'
        f" && (({roomy}) || (APFVM =!= undefined && NumDynamicSlots =?= 0))"
    )
