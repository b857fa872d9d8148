"""Machines and masters from the collector, as compact rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MachineRow:
    """One startd, folded from its slots. Times are by the clock of this host."""

    name: str
    vm: str
    identity: str
    instance: str | None
    heard: float
    """Time of the last update to the collector."""
    started: float
    slots: tuple[str, ...]
    """Names of static and partitionable slots."""
    claims: int
    """Number of claimed static and dynamic slots."""
    retiring: int
    """Number of claimed slots with activity Retiring."""
    idle_since: float | None
    """Time since which no slot is claimed; None: one is."""
    claimed_before: bool
    """True: a job has started on it."""
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
    """False: the master's ad says ``STARTD_StartTime == 0``."""


@dataclass(frozen=True)
class PoolRows:
    """The machines of one factory in the collector, by ``APFVM``."""

    collector_up_s: float
    """Seconds since the collector started."""
    machines: Mapping[str, MachineRow] = field(default_factory=dict)
    masters: Mapping[str, MasterRow] = field(default_factory=dict)
    instances: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Instances that send ads with this APFVM; an empty name: an ad does not say it. Several: duplicate launches."""
    problems: tuple[str, ...] = ()
    """Ads that can't be read and are left out."""
