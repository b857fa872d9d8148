"""Audit snapshot, and the history that is kept from audit to audit. Pure.

History can delay a step; it never causes one (rule 1).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from factory.audit.inventory import Inventory, VMRecord
from factory.model.cloud import ENDED, STOPPED, InstanceRow
from factory.model.pool import MachineRow, MasterRow

Key = tuple[str, str]
"""Kind and name of an orphan."""

_LOST_S = 3600
"""Longer than the lease of a job, which is 2400 s unless the pool or the job says otherwise."""
_STARTS_S = 120
"""A master reports STARTD_StartTime == 0 also while its first startd starts; believed after this."""


@dataclass(frozen=True)
class AuditSnapshot:
    """One audit's observations. ``now`` is the epoch, ``tick`` a clock that never jumps; both in seconds."""

    inventory: Inventory
    schedd: str
    """Full name of our schedd."""
    now: float
    tick: float
    instances: Mapping[str, str] = field(default_factory=dict)
    """Source that listed each instance, by instance id."""
    key_pairs: Mapping[str, str] = field(default_factory=dict)
    """Source that listed each key pair, by name."""
    answered: frozenset[str] = frozenset()
    """Cloud sources that answered."""
    complete: bool = True
    """True if every cloud source answered."""


@dataclass(frozen=True)
class OrphanRules:
    """Rules by which orphans are treated. Times in seconds."""

    apart_s: float = 300
    """Minimum time between the first and the deciding audit."""
    fresh_s: float = 600
    """Maximum age of an ad that counts as a sign of life."""
    job_lease_s: float = 2400
    """The longest lease of the pool's jobs."""
    reaps: bool = True
    """False: orphans are only reported."""
    exempt: Mapping[str, str] = field(default_factory=dict)
    """Reason not to act, by queue, or by account for orphans without a queue; ``*`` covers everything."""

    @property
    def lost_s(self) -> float:
        """Wait before a VM that left the pool is ended: an hour, or longer if jobs have longer leases (rule 5)."""
        return max(_LOST_S, 1.5 * self.job_lease_s)


@dataclass(frozen=True)
class AuditHistory:
    """Observations kept from audit to audit. Times are of a clock that never jumps, unless stated."""

    first_seen: Mapping[Key, float] = field(default_factory=dict)
    """Time at which each orphan was first seen as one."""
    tried: Mapping[Key, float] = field(default_factory=dict)
    """Time of the last step against an orphan that still exists."""
    began: float | None = None
    """Epoch of the first audit."""
    unwatched: Mapping[str, float] = field(default_factory=dict)
    """Instances launched before the first audit, or before their account was first seen, and when they were first
    seen. It is unknown if a startd of theirs has been in the pool."""
    shown_by: Mapping[str, str] = field(default_factory=dict)
    """Account that listed each instance while it was alive."""
    in_pool: Mapping[str, float] = field(default_factory=dict)
    """Time at which the startd or master of each VM was last in the pool, by ``APFVM``."""
    joined: frozenset[str] = frozenset()
    """VMs whose startd has been in the pool, by ``APFVM``."""
    accounts: frozenset[str] = frozenset()
    """Accounts that have answered and are still asked."""
    last_heard: Mapping[str, float] = field(default_factory=dict)
    """Time at which an ad last named each instance as its own."""
    proven_since: Mapping[str, float] = field(default_factory=dict)
    """Instances that are proven empty, and since when."""
    silent_since: Mapping[str, float] = field(default_factory=dict)
    """Second instances, and since when all ads with their ``APFVM`` come from the VM job's own instance."""


def observe(snapshot: AuditSnapshot, history: AuditHistory, rules: OrphanRules) -> AuditHistory:
    """Return the history after this snapshot, except for its orphans (see ``remember``)."""
    records = snapshot.inventory.records
    began = snapshot.now if history.began is None else history.began
    alive = {each.id: each for record in records for each in record.alive}
    new_unwatched = {
        each.id
        for each in alive.values()
        if each.launched <= began or snapshot.instances.get(each.id) not in history.accounts
    }
    needed = {record.job.instance for record in records if record.job is not None}
    now_in_pool = {
        record.vm: snapshot.tick
        for record in records
        if is_fresh(snapshot, rules, record.startd) or is_fresh(snapshot, rules, record.master)
    }
    unwatched = dict.fromkeys(new_unwatched, snapshot.tick) | dict(history.unwatched)
    in_pool = dict(history.in_pool) | now_in_pool
    joined = history.joined | {record.vm for record in records if record.startd is not None}
    last_heard = dict(history.last_heard) | {each: snapshot.tick for record in records for each in record.ad_instances}
    silent_since = {
        each.id: history.silent_since.get(each.id, snapshot.tick)
        for record in records
        for each in record.second
        if record.job is not None
        and record.ad_instances == {record.job.instance}
        and is_fresh(snapshot, rules, record.startd)
    }
    proven = {
        each.id
        for record in records
        for each in record.instances
        if proof_of_emptiness(snapshot, rules, record, each, joined=record.vm in joined) is not None
    }
    if snapshot.complete:  # an incomplete snapshot proves no absence, so nothing is forgotten then
        vms = {record.vm for record in records}
        unwatched = {each: tick for each, tick in unwatched.items() if each in alive}
        in_pool = {vm: tick for vm, tick in in_pool.items() if vm in vms}
        joined &= vms
        last_heard = {each: tick for each, tick in last_heard.items() if each in alive}
    return replace(
        history,
        began=began,
        unwatched=unwatched,
        shown_by={each: account for each, account in history.shown_by.items() if each in needed}
        | {each: snapshot.instances.get(each, "") for each in alive},
        in_pool=in_pool,
        joined=joined,
        accounts=snapshot.answered if snapshot.complete else history.accounts | snapshot.answered,
        last_heard=last_heard,
        proven_since={each: history.proven_since.get(each, snapshot.tick) for each in proven},
        silent_since=silent_since,
    )


def proof_of_emptiness(
    snapshot: AuditSnapshot, rules: OrphanRules, record: VMRecord, instance: InstanceRow, *, joined: bool
) -> str | None:
    """Return what proves that no job runs on an instance (rule 5); None: nothing does. Absence is no proof.

    ``joined``: its startd has been in the pool.
    """
    if instance.state in STOPPED | ENDED:
        return f"the cloud says that it is {instance.state}"
    master = record.master
    if is_fresh(snapshot, rules, record.startd) or master is None or not is_fresh(snapshot, rules, master):
        return None
    started = joined or snapshot.now - master.started > _STARTS_S
    if started and not master.startd_runs and record.ads_come_from(instance):
        return "empty: its master is in the pool and reports that no startd runs"
    return None


def remember(snapshot: AuditSnapshot, history: AuditHistory, orphans: Iterable[Key]) -> AuditHistory:
    """Return the history with the orphans of this snapshot."""
    first_seen = {key: history.first_seen.get(key, snapshot.tick) for key in orphans}
    if not snapshot.complete:
        shown = {*snapshot.instances, *snapshot.key_pairs}
        first_seen = {key: tick for key, tick in history.first_seen.items() if key[1] not in shown} | first_seen
    tried = {key: tick for key, tick in history.tried.items() if key in first_seen}
    return replace(history, first_seen=first_seen, tried=tried)


def mark_tried(history: AuditHistory, orphans: Iterable[Key], tick: float) -> AuditHistory:
    """Return the history after a step against each of these orphans, whether it succeeded or not."""
    return replace(history, tried={**history.tried, **dict.fromkeys(orphans, tick)})


def is_fresh(snapshot: AuditSnapshot, rules: OrphanRules, row: MachineRow | MasterRow | None) -> bool:
    """True if there is an ad and it is at most ``fresh_s`` old."""
    return row is not None and snapshot.now - row.heard <= rules.fresh_s
