"""Machines and masters as the collector shows them, one compact row each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MachineRow:
    """One startd, folded from its slots. Times are this host's, whatever clock the machine has."""

    name: str
    vm: str
    identity: str
    instance: str | None
    heard: float
    """Last update that the collector got."""
    started: float
    slots: tuple[str, ...]
    """Static and partitionable slots."""
    claims: int
    """Claimed static and dynamic slots."""
    retiring: int
    """Of these, slots whose activity is Retiring."""
    idle_since: float | None
    """Wholly unclaimed since; None if not."""
    claimed_before: bool
    """A job has been started on it."""
    drain_reason: str | None
    """DrainReason while it drains."""


@dataclass(frozen=True, slots=True)
class MasterRow:
    """One master."""

    name: str
    vm: str
    identity: str
    heard: float
    started: float
    startd_runs: bool
    """False: the master is there and says ``STARTD_StartTime == 0``."""


@dataclass(frozen=True)
class PoolRows:
    """What the collector knows of one factory's machines, by ``APFVM``."""

    collector_up_s: float
    """How long the collector has been up."""
    machines: Mapping[str, MachineRow] = field(default_factory=dict)
    masters: Mapping[str, MasterRow] = field(default_factory=dict)
    instances: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Which instances the ads come from, empty for one that does not say it; several, if a VM job was given several."""
