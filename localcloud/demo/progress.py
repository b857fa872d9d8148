"""Progress: the state of work, VMs and instances at one moment."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from localcloud.demo.journal import JournalDecision
from localcloud.demo.scenario import Scenario
from localcloud.demo.testbed import Testbed

VM_COLOURS = {
    "submitted": "#bdbdbd",
    "booting": "#f2d675",
    "joined": "#b5d99c",
    "busy": "#3a9d5d",
    "idle": "#7fb8e0",
    "retiring": "#f0932b",
    "retired": "#c0392b",
    "held": "#d63bd6",
    "lost": "#7d3c98",
    "done": "#606060",
}
"""Colour of each VM state, by the factory's names, in the order of a VM's life."""

_FINAL = ("done", "finished")


@dataclass(frozen=True)
class Progress:
    """One moment of the demo."""

    at: float
    """Time (epoch)."""
    work: Mapping[str, Mapping[str, int]]
    """The work by kind and state, as the scenario counts it."""
    vm_jobs: int = 0
    """VM jobs in the queue, in any state."""
    vms: Mapping[str, int] = field(default_factory=dict)
    """VMs by state, as the factory saw them at its last decision."""
    instances: Mapping[str, int] = field(default_factory=dict)
    """Instances of the cloud by state."""
    decisions: tuple[JournalDecision, ...] = ()
    """Decisions since the previous moment."""

    @property
    def counts(self) -> tuple[object, ...]:
        """All counts; equal as long as nothing changes."""
        return self.work, self.vm_jobs, self.vms, self.instances

    @property
    def quiet(self) -> bool:
        """True if no work, VM job or instance is left and the factory has seen that."""
        left = [n for states in self.work.values() for state, n in states.items() if state not in _FINAL]
        return not (any(left) or self.vm_jobs or any(self.alive.values()) or self.vms)

    @property
    def alive(self) -> dict[str, int]:
        """Instances that are not terminated, by state."""
        return {state: count for state, count in self.instances.items() if state != "terminated"}


def read_progress(testbed: Testbed, scenario: Scenario, submitted: int) -> Progress:
    """Query schedd, cloud and journal. ``submitted`` counts the jobs of all ramps so far."""
    in_queue = testbed.pool.jobs("true", "JobStatus", "APFVM")
    jobs = Counter(ad["JobStatus"] for ad in in_queue if "APFVM" not in ad)
    decisions = tuple(testbed.journal.read_new())
    return Progress(
        at=time.time(),
        work=scenario.work(submitted, idle=jobs[1] + jobs[5], running=jobs[2] + jobs[6] + jobs[7]),
        vm_jobs=sum(1 for ad in in_queue if "APFVM" in ad),
        vms=testbed.journal.vms(scenario.vm_queue),
        instances=testbed.cloud.states(),
        decisions=decisions,
    )
