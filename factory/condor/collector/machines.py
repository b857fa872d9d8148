"""Source: startds and masters of this factory's VMs, from the collector."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from factory.condor.classad.guard import fold_each
from factory.condor.classad.literals import same_text
from factory.condor.classad.values import needed_number, number, text, value
from factory.condor.connect import open_collector
from factory.model.address import PoolAddress
from factory.model.pool import MachineRow, MasterRow, PoolRows
from factory.model.source import Source

_SLOT = [
    "Name",
    "Machine",
    "SlotType",
    "PartitionableSlot",
    "State",
    "Activity",
    "NumDynamicSlots",
    "NumDynamicSlotsTime",
    "EnteredCurrentState",
    "DaemonStartTime",
    "MyCurrentTime",
    "LastHeardFrom",
    "AuthenticatedIdentity",
    "APFFactory",
    "APFVM",
    "EC2InstanceID",
    "Draining",
    "DrainReason",
    "JobStarts",
]
_MASTER = [
    "Name",
    "STARTD_StartTime",
    "DaemonStartTime",
    "MyCurrentTime",
    "LastHeardFrom",
    "AuthenticatedIdentity",
    "APFFactory",
    "APFVM",
    "EC2InstanceID",
]


@dataclass(frozen=True, kw_only=True)
class PoolSource(Source):
    """Startds and masters with this factory's id, and the uptime of the collector."""

    STAGE = 0

    pool: PoolAddress
    factory_id: str

    @property
    def key(self) -> str:
        return f"machines in {self.pool}"

    @property
    def address(self) -> str:
        return str(self.pool)

    def fetch(self) -> PoolRows:
        """Query the collector's own ad, slots and masters.

        Raises:
            LookupError: the collector, just started, has no ad of itself yet.
        """
        import htcondor2

        collector = open_collector(self.pool)
        now = time.time()
        own = collector.query(htcondor2.AdType.Collector, projection=["StatsLifetime"])
        if not own:
            raise LookupError("the collector has no ad of itself yet")
        ours = same_text("APFFactory", self.factory_id)
        problems: list[str] = []
        slots = collector.query(htcondor2.AdType.Startd, constraint=ours, projection=_SLOT)
        masters = collector.query(htcondor2.AdType.Master, constraint=ours, projection=_MASTER)
        return PoolRows(
            collector_up_s=uptime_s(own),
            machines=fold_slots(slots, now, problems),
            masters=fold_masters(masters, now, problems),
            instances=fold_instances([*slots, *masters]),
            problems=tuple(problems),
        )


def _ad_name(ad: Mapping[str, Any]) -> str:
    """Return the ad of a machine in words, for people."""
    return f"ad {value(ad, 'Name')} of {value(ad, 'AuthenticatedIdentity', 'an unknown identity')}"


def uptime_s(ads: Iterable[Mapping[str, Any]]) -> float:
    """Return the least uptime of collectors in seconds, from their own ads; 0 if none says it; pure.

    The collector updates StatsLifetime every few seconds and nothing else in that ad: MyCurrentTime keeps its value
    from the start of the collector.
    """
    uptimes = (number(value(ad, "StatsLifetime")) for ad in ads)
    return min((uptime for uptime in uptimes if uptime is not None and uptime >= 0), default=0.0)


def fold_slots(ads: Iterable[Mapping[str, Any]], now: float, problems: list[str]) -> dict[str, MachineRow]:
    """Return the machines by ``APFVM`` from slot ads; pure. A machine that can't be read is added to ``problems``."""
    by_vm: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for ad in ads:
        vm = _named_vm(ad)
        if vm is not None:
            by_vm[vm].append(ad)
    return {vm: _readable_machine(vm, slots, now, problems) for vm, slots in by_vm.items()}


def _readable_machine(vm: str, slots: list[Mapping[str, Any]], now: float, problems: list[str]) -> MachineRow:
    """Return the machine of the ads that can be read: an odd one, which a job can send, must not hide the others.

    A machine with no readable ad counts as busy, so that it is neither missed nor ended (rule 2).
    """
    with contextlib.suppress(ValueError, TypeError, KeyError):
        return _machine(vm, slots, now)
    readable = list(fold_each(slots, lambda ad: (_machine(vm, [ad], now), ad)[1], _ad_name, problems))
    if readable:
        return _machine(vm, readable, now)
    odd = slots[0]
    return MachineRow(
        name=str(value(odd, "Name")).split("@", 1)[-1], vm=vm, identity=str(value(odd, "AuthenticatedIdentity", "")),
        instance=text(value(odd, "EC2InstanceID")), heard=now, started=now, slots=(), claims=1, retiring=0,
        idle_since=None, claimed_before=True, drain_reason=None,
    )  # fmt: skip


def _named_vm(ad: Mapping[str, Any]) -> str | None:
    """Return the VM of an ad that has the name which our user-data gives it: a job on a VM can advertise anything."""
    vm = value(ad, "APFVM")
    return vm if isinstance(vm, str) and vm in str(value(ad, "Name", "")).split("@")[:2] else None


def fold_masters(ads: Iterable[Mapping[str, Any]], now: float, problems: list[str]) -> dict[str, MasterRow]:
    """Return the masters by ``APFVM`` from master ads; pure. One that can't be read is added to ``problems``."""
    named = [ad for ad in ads if _named_vm(ad) is not None]
    return {row.vm: row for row in fold_each(named, lambda ad: _master(ad, now), _ad_name, problems)}


def fold_instances(ads: Iterable[Mapping[str, Any]]) -> dict[str, frozenset[str]]:
    """Return the ``EC2InstanceID`` of startd and master ads by ``APFVM``, "" for an ad without one; pure."""
    instances: dict[str, set[str]] = defaultdict(set)
    for ad in ads:
        vm = _named_vm(ad)
        if vm is not None:
            instances[vm].add(str(value(ad, "EC2InstanceID", "")))
    return {vm: frozenset(ids) for vm, ids in instances.items()}


def _machine(vm: str, slots: list[Mapping[str, Any]], now: float) -> MachineRow:
    roots = [ad for ad in slots if ad.get("SlotType") != "Dynamic"] or slots
    claimed = [
        ad for ad in slots if not ad.get("PartitionableSlot", False) and ad.get("State") in ("Claimed", "Preempting")
    ]
    dynamic = sum(int(needed_number(ad, "NumDynamicSlots")) for ad in roots)
    busy = bool(claimed) or dynamic > 0
    newest = max(roots, key=lambda ad: needed_number(ad, "LastHeardFrom"))
    draining = next((ad for ad in roots if ad.get("Draining", False)), None)
    return MachineRow(
        name=str(newest["Name"]).split("@", 1)[-1],
        vm=vm,
        identity=str(newest.get("AuthenticatedIdentity", "")),
        instance=str(newest["EC2InstanceID"]) if "EC2InstanceID" in newest else None,
        heard=min(needed_number(ad, "LastHeardFrom") for ad in roots),
        started=_local(newest, needed_number(newest, "DaemonStartTime"), now),
        slots=tuple(sorted(str(ad["Name"]) for ad in roots)),
        claims=max(len(claimed), dynamic),
        retiring=sum(1 for ad in claimed if ad.get("Activity") == "Retiring"),
        idle_since=None if busy else max(_idle_since(ad, now) for ad in roots),
        claimed_before=busy or any(needed_number(ad, "JobStarts") > 0 for ad in roots),
        drain_reason=None if draining is None else str(value(draining, "DrainReason", "")),
    )


def _idle_since(ad: Mapping[str, Any], now: float) -> float:
    """Return when the slot became idle (epoch).

    A partitionable slot keeps its EnteredCurrentState while dynamic slots come and go, so NumDynamicSlotsTime counts.
    """
    name = "NumDynamicSlotsTime" if ad.get("PartitionableSlot", False) else "EnteredCurrentState"
    return _local(ad, needed_number(ad, name) or needed_number(ad, "DaemonStartTime"), now)


def _local(ad: Mapping[str, Any], moment: float, now: float) -> float:
    """Convert a time on the machine's clock to ours: its age in the ad, subtracted from LastHeardFrom."""
    heard = needed_number(ad, "LastHeardFrom", now)
    return heard - (needed_number(ad, "MyCurrentTime", heard) - moment)


def _master(ad: Mapping[str, Any], now: float) -> MasterRow:
    return MasterRow(
        name=str(ad.get("Name", "")),
        vm=str(ad.get("APFVM", "")),
        identity=str(ad.get("AuthenticatedIdentity", "")),
        heard=needed_number(ad, "LastHeardFrom"),
        started=_local(ad, needed_number(ad, "DaemonStartTime"), now),
        startd_runs=needed_number(ad, "STARTD_StartTime") != 0,
    )
