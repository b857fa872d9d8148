"""What the demo sees at one moment, from the real sources."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from localcloud.demo.journal import Entry, vm_states
from localcloud.demo.stage import Stage

VM_STATES = ("submitted", "booting", "joined", "busy", "idle", "retiring", "retired", "held", "lost", "done")
"""As the factory calls them, in the order of a VM's life."""


@dataclass(frozen=True)
class Sight:
    """One moment."""

    at: float
    """Epoch, seconds."""
    idle: int = 0
    running: int = 0
    completed: int = 0
    vm_jobs: int = 0
    """VM jobs in the queue, whatever their state."""
    vms: Mapping[str, int] = field(default_factory=dict)
    """VMs by state as the factory saw them last."""
    instances: Mapping[str, int] = field(default_factory=dict)
    """Instances by state, as the cloud says."""
    decisions: tuple[Entry, ...] = ()
    """Decisions since the last sight."""

    @property
    def quiet(self) -> bool:
        """No job in the queue, no VM job, no instance that is not terminated, and the factory has seen that."""
        return not (self.idle or self.running or self.vm_jobs or any(self.alive.values()) or self.vms)

    @property
    def alive(self) -> dict[str, int]:
        """Instances that are not terminated, by state."""
        return {state: count for state, count in self.instances.items() if state != "terminated"}


def look(stage: Stage, submitted: int) -> Sight:
    """Look at schedd, cloud and journal. ``submitted``: jobs so far, of which those that left the queue are done."""
    in_queue = stage.pool.jobs("true", "JobStatus", "APFVM")
    jobs = Counter(ad["JobStatus"] for ad in in_queue if "APFVM" not in ad)
    decisions = tuple(stage.journal.new())
    entries = stage.journal.entries
    idle, running = jobs[1] + jobs[5], jobs[2] + jobs[6] + jobs[7]
    return Sight(
        at=time.time(),
        idle=idle,
        running=running,
        completed=submitted - idle - running,
        vm_jobs=sum(1 for ad in in_queue if "APFVM" in ad),
        vms=vm_states(entries[-1]) if entries else {},
        instances=stage.cloud.states(),
        decisions=decisions,
    )
