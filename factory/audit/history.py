"""What one audit saw, and what is remembered from audit to audit. Pure.

What is remembered delays a step and never causes one (rule 1).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from factory.audit.inventory import Inventory
from factory.model.pool import MachineRow, MasterRow

Key = tuple[str, str]
"""An orphan's kind and name."""

_LOST_S = 3600
"""A VM that was in the pool and left it is left to itself for so long: longer than a job's lease (rule 5)."""


@dataclass(frozen=True)
class AuditSnapshot:
    """What one audit saw. ``now`` is the epoch, ``tick`` a clock that never jumps; both in seconds."""

    inventory: Inventory
    schedd: str
    """Full name of our schedd."""
    now: float
    tick: float
    instances: Mapping[str, str] = field(default_factory=dict)
    """Instance → the source that showed it."""
    key_pairs: Mapping[str, str] = field(default_factory=dict)
    """Key pair → the source that showed it."""
    answered: frozenset[str] = frozenset()
    """Sources of clouds that answered."""
    complete: bool = True
    """All did."""


@dataclass(frozen=True)
class OrphanRules:
    """How orphans are treated. Times in seconds."""

    apart_s: float = 300
    """Between the two sightings, at least."""
    fresh_s: float = 600
    """An ad that the collector got longer ago says nothing."""
    lost_s: float = _LOST_S
    reaps: bool = True
    """False: orphans are only reported."""
    hands_off: Mapping[str, str] = field(default_factory=dict)
    """Queues, and accounts for what is of no queue, of which nothing is touched now, and why; ``*``: all."""


@dataclass(frozen=True)
class AuditHistory:
    """What is remembered from audit to audit. Moments are of a clock that never jumps."""

    first: Mapping[Key, float] = field(default_factory=dict)
    """When each orphan was first seen as one."""
    tried: Mapping[Key, float] = field(default_factory=dict)
    """When something was last done about it that has not ended it yet."""
    began: float | None = None
    """Epoch of the first audit."""
    old: Mapping[str, float] = field(default_factory=dict)
    """Instances from before that, or from before their account was first seen, and when they were: whether a startd of
    theirs has been in the pool, nobody knows."""
    met: Mapping[str, str] = field(default_factory=dict)
    """Instances that a cloud has shown alive, and the account in which that was."""
    in_pool: Mapping[str, float] = field(default_factory=dict)
    """When startd or master of a VM was last in the pool, by ``APFVM``."""
    joined: frozenset[str] = frozenset()
    """VMs whose startd was in the pool, by ``APFVM``."""
    accounts: frozenset[str] = frozenset()
    """Those that have answered before, and are still asked."""
    spoke: Mapping[str, float] = field(default_factory=dict)
    """When an ad last said that it comes from this instance."""
    silent: Mapping[str, float] = field(default_factory=dict)
    """Second instances: since when all ads of their name have come from the instance that the VM job has."""


def observe(scene: AuditSnapshot, sightings: AuditHistory, rules: OrphanRules) -> AuditHistory:
    """What is remembered after this scene, but for the orphans in it."""
    lines = scene.inventory.records
    began = scene.now if sightings.began is None else sightings.began
    alive = {each.id: each for line in lines for each in line.alive}
    unwatched = {
        each.id
        for each in alive.values()
        if each.launched <= began or scene.instances.get(each.id) not in sightings.accounts
    }
    wanted = {line.job.instance for line in lines if line.job is not None}
    seen = {
        line.vm: scene.tick
        for line in lines
        if is_fresh(scene, rules, line.startd) or is_fresh(scene, rules, line.master)
    }
    old = dict.fromkeys(unwatched, scene.tick) | dict(sightings.old)
    in_pool = dict(sightings.in_pool) | seen
    joined = sightings.joined | {line.vm for line in lines if line.startd is not None}
    spoke = dict(sightings.spoke) | {each: scene.tick for line in lines for each in line.shown}
    silent = {
        each.id: sightings.silent.get(each.id, scene.tick)
        for line in lines
        for each in line.second
        if line.job is not None and line.shown == {line.job.instance} and is_fresh(scene, rules, line.startd)
    }
    if scene.complete:  # of what nobody could look at nothing is forgotten
        there = {line.vm for line in lines}
        old = {each: tick for each, tick in old.items() if each in alive}
        in_pool = {vm: tick for vm, tick in in_pool.items() if vm in there}
        joined &= there
        spoke = {each: tick for each, tick in spoke.items() if each in alive}
    return replace(
        sightings,
        began=began,
        old=old,
        met={each: account for each, account in sightings.met.items() if each in wanted}
        | {each: scene.instances.get(each, "") for each in alive},
        in_pool=in_pool,
        joined=joined,
        accounts=scene.answered if scene.complete else sightings.accounts | scene.answered,
        spoke=spoke,
        silent=silent,
    )


def remember(scene: AuditSnapshot, sightings: AuditHistory, orphans: Iterable[Key]) -> AuditHistory:
    """What is remembered of the orphans in this scene."""
    first = {key: sightings.first.get(key, scene.tick) for key in orphans}
    if not scene.complete:
        shown = {*scene.instances, *scene.key_pairs}
        first = {key: tick for key, tick in sightings.first.items() if key[1] not in shown} | first
    return replace(sightings, first=first, tried={key: t for key, t in sightings.tried.items() if key in first})


def mark_tried(sightings: AuditHistory, orphans: Iterable[Key], tick: float) -> AuditHistory:
    """What is remembered after something was done about these orphans, whatever came of it."""
    return replace(sightings, tried={**sightings.tried, **dict.fromkeys(orphans, tick)})


def is_fresh(scene: AuditSnapshot, rules: OrphanRules, row: MachineRow | MasterRow | None) -> bool:
    """Whether an ad is young enough to be believed."""
    return row is not None and scene.now - row.heard <= rules.fresh_s
