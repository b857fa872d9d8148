"""Slots of a pool: machines with free room, in classes that every job group matches alike."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from factory.condor.classad.unknowns import NEW_NAMES
from factory.condor.collector.gpus import gpu_attributes, is_of_one_device
from factory.model.demand import Machine
from factory.model.model_facts import ShownAttributes

ROOM = ("Cpus", "Memory", "Disk", "GPUs")
"""Attributes of a slot that jobs use up."""
TOTAL = ("TotalSlotCpus", "TotalSlotMemory", "TotalSlotDisk", "TotalSlotGPUs")
CHANGING = frozenset(
    name.lower()
    for name in (
        *ROOM, "Name", "State", "Activity", "SlotID", "LoadAvg", "CondorLoadAvg", "TotalLoadAvg", "KeyboardIdle",
        "ConsoleIdle", "CurrentTime", "MyCurrentTime", "EnteredCurrentState", "EnteredCurrentActivity",
        "LastHeardFrom", "NumDynamicSlots", "NumDynamicSlotsTime", "WithinResourceLimits", "SlotType", "Draining",
        "DaemonStopTime", "APFVM", "APFShape", "Requirements", "Start", "UpdateSequenceNumber",
    )
)  # fmt: skip
"""Attributes that never split classes: fitting counts free room apart, and the others change all the time."""
_OF_ONE_MACHINE = (
    (CHANGING - {"start", "requirements", *map(str.lower, ROOM)})
    | NEW_NAMES
    | {"apffactory", "apfqueue", "apfbuild", "offline", "partitionableslot"}
)
"""Attributes that say nothing of other machines."""
_MOST_CLASSES = 50
"""Classes of one model that a poll looks at."""


@dataclass(frozen=True)
class Slots:
    """Machines, and for each machine class the ad that represents it in matchmaking."""

    machines: tuple[Machine, ...] = ()
    kinds: Mapping[str, Any] = field(default_factory=dict)
    """Class → ``classad2.ClassAd``."""
    models: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)
    """Model → classes of its VMs that take jobs → APFVM of those without a job → number of updates of its ad."""
    problems: tuple[str, ...] = ()
    """Slots that can't be read and are left out."""
    asked: frozenset[str] = frozenset()
    """Attributes that were asked for because expressions refer to them, in lower case."""

    @property
    def idle_kinds(self) -> frozenset[str]:
        """The classes with a VM without a job."""
        return frozenset(kind for kinds in self.models.values() for kind, vms in kinds.items() if vms)

    def with_more(self, other: Slots) -> Slots:
        """Return the classes and models of both; they share no model."""
        return replace(
            self,
            kinds={**self.kinds, **other.kinds},
            models={**self.models, **other.models},
            problems=self.problems + other.problems,
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


def mark_unready(machines: tuple[Machine, ...], kinds: Collection[str]) -> tuple[Machine, ...]:
    """Return the machines; those of these classes are not ready yet."""
    if not kinds:
        return machines
    return tuple(replace(machine, unready=True) if machine.kind in kinds else machine for machine in machines)


def _is_of_one_machine(name: str) -> bool:
    return name in _OF_ONE_MACHINE or is_of_one_device(name)
