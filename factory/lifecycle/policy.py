"""The policy by which VMs of a queue live and leave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from factory.lifecycle.timeouts import Timeouts
from factory.model.shape import Shape
from factory.model.vm import VM


@dataclass(frozen=True)
class VMPolicy:
    """How the VMs of a queue live and leave. Times in seconds."""

    queue: str
    shape: Shape
    retire: Literal["auto", "off", "drain"] = "auto"
    removefraction: float = 0.2
    """At most max(1, this part of the VMs) begin to leave, and as many are removed, in one round (rule 8)."""
    timeouts: Timeouts = field(default_factory=Timeouts)
    drain_before_s: float = 0
    """VMs retire so long before their lease ends."""
    maxinstances: int | None = None
    ondemand_first: bool = False
    """On-demand VMs retire before spot ones that are no more useful."""
    update_interval_s: int = 30
    """Time between two updates of a startd to the collector, as VMs are now made."""
    builds: Mapping[str, str] = field(default_factory=dict)
    """Image and user-data of each shape, where new ones start with one machine."""

    def repeat_s(self, vms: Iterable[VM]) -> float:
        """Return the time after which a command that shows no effect is sent again: two updates, at least 10 s.

        VMs keep the update interval that they were made with.
        """
        return max(10, 2 * max([self.update_interval_s, *(vm.update_s for vm in vms)]))
