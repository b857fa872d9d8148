"""Orphans in both directions: what counts as one, for how long, and the next step against each. Pure.

An orphan is acted on after two audits, an audit interval apart, have seen it. In both of them schedd, collector and its
cloud must have answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

from factory.audit.history import (
    AuditHistory,
    AuditSnapshot,
    Key,
    OrphanRules,
    is_fresh,
    observe,
    proof_of_emptiness,
    remember,
)
from factory.audit.inventory import VMRecord
from factory.lifecycle.leases import format_utc
from factory.model.cloud import STOPPED, InstanceRow
from factory.model.pool import MachineRow
from factory.model.vm import counted
from factory.model.vm_job import VMJobRow

_FRACTION = 0.2
"""One audit drains at most max(1, this part of a queue's instances), and ends as many (rule 8)."""


class OrphanStep(Enum):
    """The next step against an orphan."""

    WAIT = "wait"
    REPORT = "report"
    DRAIN = "drain"
    TERMINATE = "terminate"
    REMOVE = "remove"
    """Remove the VM job, whose instance is gone."""
    DELETE = "delete"
    """Delete the key pair."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """An instance, VM job, startd or key pair of this factory that lacks its counterpart."""

    kind: str
    """``instance``, ``second instance``, ``VM job``, ``startd`` or ``key pair``."""
    name: str
    queue: str
    why: str
    step: OrphanStep
    seen_s: float
    """Seconds since the first audit that saw it as an orphan."""
    vm: str = ""
    account: str = ""
    """Key of the cloud source that listed it."""
    instance: InstanceRow | None = None
    job: VMJobRow | None = None
    startd: MachineRow | None = None
    absent: bool = False
    """True if the step requires that the collector has no ad of it; checked again before the step."""
    counts: bool = False
    """True if it counts against the caps of its queue."""
    proven_s: float | None = None
    """Seconds since it was proven empty; None: nothing proves it."""

    expired: bool = False
    """True if its lease has ended."""

    def ends_despite_jobs(self, job_lease_s: float) -> bool:
        """True if no job keeps it: its lease has ended, or it has been proven empty for as long as a job lease."""
        return self.expired or (self.proven_s is not None and self.proven_s >= job_lease_s)

    @property
    def key(self) -> Key:
        """Key of this orphan in the audit history."""
        return self.kind, self.name


def find_orphans(
    snapshot: AuditSnapshot, history: AuditHistory, rules: OrphanRules
) -> tuple[tuple[Orphan, ...], AuditHistory]:
    """Return the orphans of this audit in the order of their turns, each with its step, and the new history."""
    observed = observe(snapshot, history, rules)
    orphans = list(_OrphanFinder(snapshot, observed, rules).orphans())
    return tuple(_limit_steps(snapshot, observed, orphans)), remember(snapshot, observed, (o.key for o in orphans))


@dataclass(frozen=True)
class _OrphanFinder:
    snapshot: AuditSnapshot
    history: AuditHistory
    rules: OrphanRules

    def orphans(self) -> Iterator[Orphan]:
        for record in self.snapshot.inventory.records:
            if record.job is None:
                for instance in record.alive:
                    yield self._instance(record, instance)
                if not record.alive and (record.startd or record.master) and self.snapshot.complete:
                    yield self._startd(record)
                continue
            for instance in record.second:
                yield self._second_instance(record, record.job, instance)
            if record.instance_gone and record.job.hold is None:
                yield self._vm_job(record, record.job)
        for name in self.snapshot.inventory.key_pairs:
            yield self._key_pair(name, OrphanStep.DELETE, "its VM job has left the queue")
        for name in self.snapshot.inventory.unclaimed:
            why = f"neither the queue nor the history of schedd {self.snapshot.schedd} has its job"
            yield self._key_pair(name, OrphanStep.REPORT, why)

    def _instance(self, record: VMRecord, instance: InstanceRow) -> Orphan:
        base = Orphan(
            kind="instance", name=instance.id, queue=instance.queue, why=f"is {instance.state} and has no VM job",
            step=OrphanStep.REPORT, seen_s=0, vm=instance.vm, account=self.snapshot.instances.get(instance.id, ""),
            instance=instance, startd=record.startd,
        )  # fmt: skip
        foreign = self._foreign(instance)
        if foreign is not None:
            return self._decide(base, foreign)
        if instance.lease_max is not None and self.snapshot.now > instance.lease_max:
            why = f"its lease ended at {format_utc(instance.lease_max)}"
            return self._decide(replace(base, step=OrphanStep.TERMINATE, counts=True, expired=True), why)
        step, why, absent = self._instance_step(record, instance)
        proven_s = self._proven_s(instance.id)
        return self._decide(replace(base, step=step, absent=absent, counts=True, proven_s=proven_s), why)

    def _proven_s(self, instance: str | None) -> float | None:
        since = self.history.proven_since.get(instance or "")
        return None if since is None else self.snapshot.tick - since

    def _foreign(self, instance: InstanceRow) -> str | None:
        """Return the reason why it may be another factory's; None if it is ours."""
        if not instance.vm:
            return "its tags name no VM"
        if instance.schedd != self.snapshot.schedd:
            return f"its tags name {f'schedd {instance.schedd}' if instance.schedd else 'no schedd'}"
        return None

    def _second_instance(self, record: VMRecord, job: VMJobRow, instance: InstanceRow) -> Orphan:
        base = Orphan(
            kind="second instance", name=instance.id, queue=instance.queue,
            why=f"is {instance.state}, but VM job {job.job} records {job.instance}", step=OrphanStep.REPORT, seen_s=0,
            vm=record.vm, account=self.snapshot.instances.get(instance.id, ""), instance=instance, job=job,
        )  # fmt: skip
        foreign = self._foreign(instance)
        if foreign is not None:
            return self._decide(base, foreign)
        step, why = self._second_instance_step(record, job, instance)
        return self._decide(replace(base, step=step, counts=True), why)

    def _second_instance_step(self, record: VMRecord, job: VMJobRow, instance: InstanceRow) -> tuple[OrphanStep, str]:
        """Return the step against a second instance of a VM job, and the reason.

        Both instances have one name in the pool and for jobs; only ``EC2InstanceID`` in their ads tells them apart.
        A command by that name may reach either, so none is sent.
        """
        if instance.state in STOPPED:
            return OrphanStep.TERMINATE, f"the cloud says that it is {instance.state}"
        silent_since = self.history.silent_since.get(instance.id)
        if silent_since is None:
            why = "nothing proves it empty: it ends by its own timers, or after the VM job has left the queue"
            return OrphanStep.REPORT, why
        assert record.startd is not None, "observe() notes an instance as silent only while it sees a fresh startd"
        if record.startd.claims:
            claims = counted(record.startd.claims, "claim")
            return OrphanStep.WAIT, f"a startd with the same APFVM has {claims}: waiting until it has none"
        left_s = self._lost_wait_s(self.history.last_heard.get(instance.id), instance)
        if left_s is not None and left_s > 0:
            return OrphanStep.WAIT, f"it may have been in the pool: waiting {left_s:.0f} s more"
        silent_s, why = self.snapshot.tick - silent_since, f"all ads with its APFVM come from {job.instance}"
        if silent_s < self.rules.apart_s:
            return OrphanStep.WAIT, f"{why}, for {silent_s:.0f} s"
        return OrphanStep.TERMINATE, why

    def _instance_step(self, record: VMRecord, instance: InstanceRow) -> tuple[OrphanStep, str, bool]:
        """Return the step against an instance without a VM job, the reason, and if it must be absent from the pool."""
        startd, master = record.startd, record.master
        joined = record.vm in self.history.joined
        proof = proof_of_emptiness(self.snapshot, self.rules, record, instance, joined=joined)
        if proof is not None:
            return OrphanStep.TERMINATE, proof, False
        if startd is not None and is_fresh(self.snapshot, self.rules, startd):
            return *_drain_step(startd, instance), False
        if master is not None and is_fresh(self.snapshot, self.rules, master) and record.ads_come_from(instance):
            return OrphanStep.WAIT, "its master is in the pool, its startd is not", False
        left_s = self._lost_wait_s(self.history.in_pool.get(record.vm), instance)
        if left_s is None:
            return OrphanStep.TERMINATE, "it never joined the pool", True
        if left_s > 0:
            return OrphanStep.WAIT, f"not in the pool, but a job may be on it: waiting {left_s:.0f} s more", True
        return OrphanStep.TERMINATE, f"not in the pool for {self.rules.lost_s - left_s:.0f} s", True

    def _lost_wait_s(self, last_sign: float | None, instance: InstanceRow) -> float | None:
        """Return the seconds until no job can be on it any more; None if it has never been in the pool."""
        signs = (last_sign, self.history.unwatched.get(instance.id))
        since = max((tick for tick in signs if tick is not None), default=None)
        return None if since is None else since + self.rules.lost_s - self.snapshot.tick

    def _vm_job(self, record: VMRecord, job: VMJobRow) -> Orphan:
        base = Orphan(
            kind="VM job", name=str(job.job), queue=record.queue,
            why=f"waits for instance {job.instance}, which is gone", step=OrphanStep.REMOVE, seen_s=0, vm=record.vm,
            job=job, absent=True, proven_s=self._proven_s(job.instance),
        )  # fmt: skip
        ended = any(each.id == job.instance for each in record.instances)
        account = self.history.shown_by.get(job.instance or "")
        if not ended and account is None:
            return self._decide(replace(base, step=OrphanStep.REPORT), "the cloud has never shown it with our tags")
        if not ended and account not in self.snapshot.answered:
            why = "the account that showed it did not answer or is no longer configured"
            return self._decide(replace(base, step=OrphanStep.REPORT), why)
        if is_fresh(self.snapshot, self.rules, record.startd) or is_fresh(self.snapshot, self.rules, record.master):
            return self._decide(replace(base, step=OrphanStep.WAIT), "it is still in the pool")
        return self._decide(base, "the cloud says that it has ended" if ended else "the cloud no longer shows it")

    def _key_pair(self, name: str, step: OrphanStep, why: str) -> Orphan:
        return self._decide(Orphan("key pair", name, "", why, step, 0, account=self.snapshot.key_pairs.get(name, "")))

    def _startd(self, record: VMRecord) -> Orphan:
        row, startd = record.startd or record.master, record.startd
        assert row is not None
        claims = counted(startd.claims if startd is not None else 0, "claim")
        why = f"carries our factory id but has no VM job and no instance; {claims}"
        return self._decide(Orphan("startd", row.name, "", why, OrphanStep.REPORT, 0, vm=record.vm, startd=startd))

    def _decide(self, orphan: Orphan, why: str = "") -> Orphan:
        """Add for how long it has been seen, and turn the step into WAIT or REPORT where the rules say so."""
        seen_s = self.snapshot.tick - self.history.first_seen.get(orphan.key, self.snapshot.tick)
        orphan = replace(orphan, seen_s=seen_s, why=f"{orphan.why}: {why}" if why else orphan.why)
        if orphan.step is OrphanStep.WAIT:
            return orphan
        if seen_s < self.rules.apart_s:
            seen = f"seen for {seen_s:.0f} of {self.rules.apart_s:.0f} s"
            return replace(orphan, step=OrphanStep.WAIT, why=f"{orphan.why}; {seen}")
        if orphan.step is not OrphanStep.REPORT and not self.rules.reaps:
            return replace(orphan, step=OrphanStep.REPORT)
        exempt = self.rules.exempt.get("*") or self.rules.exempt.get(orphan.queue or orphan.account)
        if orphan.step is not OrphanStep.REPORT and exempt:
            return replace(orphan, step=OrphanStep.WAIT, why=f"{orphan.why}; {exempt}")
        return orphan


def _drain_step(startd: MachineRow, instance: InstanceRow) -> tuple[OrphanStep, str]:
    """Return the step that empties an instance with a startd. Somebody else's drain empties it as well."""
    same_kind = instance.id.startswith("i-") == (startd.instance or "").startswith("i-")
    if startd.instance and same_kind and startd.instance != instance.id:
        return OrphanStep.REPORT, f"a startd with its APFVM runs on {startd.instance}"
    claims = counted(startd.claims, "claim")
    if startd.drain_reason is not None:
        return OrphanStep.WAIT, f"draining, {claims}"
    if startd.claims and startd.retiring >= startd.claims:
        return OrphanStep.WAIT, f"retiring, {claims}"
    return OrphanStep.DRAIN, f"its startd is in the pool, {claims}"


def _limit_steps(snapshot: AuditSnapshot, history: AuditHistory, orphans: list[Orphan]) -> Iterator[Orphan]:
    """Keep the steps against a queue's orphans below the limit of rule 8; the others wait.

    Orphans take turns: the one that has waited longest comes first, and a step that did not end its orphan sends it
    to the back. So an orphan that can't be ended never starves the others. Drains are counted apart from ends, so that
    an unresponsive startd takes no turn from an empty machine.
    """

    def waits_s(orphan: Orphan) -> float:
        return min(orphan.seen_s, snapshot.tick - history.tried.get(orphan.key, float("-inf")))

    existing = Counter(each.queue for record in snapshot.inventory.records for each in record.alive)
    taken: Counter[tuple[str, bool]] = Counter()
    for orphan in sorted(orphans, key=lambda o: (-waits_s(o), o.key)):
        if orphan.step in {OrphanStep.DRAIN, OrphanStep.TERMINATE, OrphanStep.REMOVE}:
            limit = max(1, int(_FRACTION * existing[orphan.queue]))
            turn = orphan.queue, orphan.step is OrphanStep.DRAIN
            taken[turn] += 1
            if taken[turn] > limit:
                instances = counted(existing[orphan.queue], "instance")
                why = f"{orphan.why}; at most {limit} per audit in a queue with {instances}"
                orphan = replace(orphan, step=OrphanStep.WAIT, why=why)  # noqa: PLW2901
        yield orphan
