"""Slots that are only ads: what a collector shows of machines that nobody has to start."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from tests.rig.pool import Pool

_numbers = itertools.count(1)
_COMMON = {
    "MyType": '"Machine"',
    "Machine": '"host"',
    "Arch": '"X86_64"',
    "OpSys": '"LINUX"',
    "CondorVersion": '"$CondorVersion: 23.9.6 2024-08-08 $"',
    "HasFileTransfer": "true",
    "FileSystemDomain": '"elsewhere"',
    "Activity": '"Idle"',
    "Start": "true",
    "Requirements": "START && WithinResourceLimits",
    "WithinResourceLimits": "true",
}


def partitionable(name: str, cpus: int, memory: int, **more: object) -> dict[str, object]:
    """A machine of 8 cores and 16 GB with so much of it free; ``more``: attributes as ClassAd expressions."""
    size = {"Cpus": cpus, "Memory": memory, "Disk": 10_000_000, "GPUs": 0}
    total = {"TotalSlotCpus": 8, "TotalSlotMemory": 16_000, "TotalSlotDisk": 20_000_000, "TotalSlotGPUs": 0}
    kind = {"SlotType": '"Partitionable"', "PartitionableSlot": "true", "State": '"Unclaimed"'}
    return {**_COMMON, **kind, "Name": f'"slot1@{name}"', **size, **total, **more}


def static(name: str, cpus: int, memory: int, state: str = "Unclaimed", **more: object) -> dict[str, object]:
    """A static slot."""
    size = {"Cpus": cpus, "Memory": memory, "Disk": 10_000_000}
    total = {f"TotalSlot{resource}": n for resource, n in size.items()}
    kind = {"SlotType": '"Static"', "State": f'"{state}"'}
    return {**_COMMON, **kind, "Name": f'"slot1@{name}"', **size, **total, **more}


def advertise(pool: Pool, slots: Iterable[dict[str, object]]) -> None:
    """Show these slots in the collector."""
    texts = []
    for slot in slots:
        address = f'"<127.0.0.1:9?sock={next(_numbers)}>"'
        ad = {**slot, "MyAddress": address, "StartdIpAddr": address}
        texts.append("".join(f"{name} = {value}\n" for name, value in ad.items()))
    pool.run("condor_advertise", "-tcp", "-multiple", "UPDATE_STARTD_AD", stdin="\n".join(texts))
