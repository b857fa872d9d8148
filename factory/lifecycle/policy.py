"""The policy of a queue's VMs: how they live, retire and end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from factory.lifecycle.timeouts import Timeouts
from factory.model.shape import Shape
from factory.model.vm import VM


@dataclass(frozen=True)
class VMPolicy:
    """The settings of a queue that the planner reads. Times in seconds."""

    queue: str
    shape: Shape
    """The shape to buy when the ask names none."""
    retire: Literal["auto", "off", "drain"] = "auto"
    removefraction: float = 0.2
    """In one round at most max(1, this fraction of the VMs) begin to retire, and as many are removed (rule 8)."""
    timeouts: Timeouts = field(default_factory=Timeouts)
    drain_before_s: float = 0
    """VMs retire this long before their lease ends."""
    maxinstances: int | None = None
    """Hard cap on VM jobs and orphans; None: no cap."""
    job_lease_s: float = 2400
    """The longest lease of the pool's jobs."""
    ondemand_first: bool = False
    """On-demand VMs retire before equally useful spot VMs."""
    update_interval_s: int = 30
    """Time between two updates of a startd to the collector, for VMs submitted now."""
    builds: Mapping[str, str] = field(default_factory=dict)
    """Build of each shape, by ``str(shape)`` (``factory/health/canary.py``); empty without canaries."""

    def repeat_s(self, vms: Iterable[VM]) -> float:
        """Return the time after which a command that shows no effect is sent again: two updates, at least 10 s.

        VMs keep the update interval that they were made with.
        """
        return max(10, 2 * max([self.update_interval_s, *(vm.update_s for vm in vms)]))
