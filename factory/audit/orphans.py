"""Orphans, both ways: what is one, for how long, and what may be done about it now. Pure.

Something is an orphan when it was seen as one twice, an audit interval apart, each time with schedd, collector and its
cloud fresh.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

from factory.audit.history import AuditHistory, AuditSnapshot, Key, OrphanRules, is_fresh, observe, remember
from factory.audit.inventory import VMRecord
from factory.model.cloud import STOPPED, InstanceRow
from factory.model.pool import MachineRow
from factory.model.vm import counted
from factory.model.vm_job import VMJobRow

_FRACTION = 0.2
"""At most max(1, this part of a queue's instances) are drained by one audit, and so many are ended (rule 8)."""
_STARTS_S = 120
"""A master says STARTD_StartTime == 0 also while its first startd starts; believed after this."""


class OrphanStep(Enum):
    """What is done about an orphan now."""

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
    """Something of this factory that nobody owns."""

    kind: str
    """``instance``, ``VM job``, ``startd`` or ``key pair``."""
    name: str
    queue: str
    why: str
    step: OrphanStep
    seen_s: float
    """For how long it has been seen so."""
    vm: str = ""
    account: str = ""
    """Key of the source that showed it."""
    instance: InstanceRow | None = None
    job: VMJobRow | None = None
    machine: MachineRow | None = None
    absent: bool = False
    """The collector may have no ad of it; asked again before anything is done."""
    counts: bool = False
    """It counts against the caps of its queue."""

    @property
    def key(self) -> Key:
        """What it is remembered by."""
        return self.kind, self.name


def find_orphans(
    scene: AuditSnapshot, sightings: AuditHistory, rules: OrphanRules
) -> tuple[tuple[Orphan, ...], AuditHistory]:
    """The orphans of this audit by turns, with what to do about each now, and what to remember for the next."""
    known = observe(scene, sightings, rules)
    orphans = list(_Judge(scene, known, rules).orphans())
    return tuple(_limited(scene, known, orphans)), remember(scene, known, (each.key for each in orphans))


@dataclass(frozen=True)
class _Judge:
    scene: AuditSnapshot
    sightings: AuditHistory
    rules: OrphanRules

    def orphans(self) -> Iterator[Orphan]:
        for line in self.scene.inventory.records:
            if line.job is None:
                for instance in line.alive:
                    yield self._instance(line, instance)
                if not line.alive and (line.startd or line.master) and self.scene.complete:
                    yield self._startd(line)
                continue
            for instance in line.second:
                yield self._second(line, line.job, instance)
            if line.gone and line.job.hold is None:
                yield self._vm_job(line, line.job)
        for name in self.scene.inventory.key_pairs:
            yield self._key_pair(name, OrphanStep.DELETE, "its VM job has left the queue")
        for name in self.scene.inventory.unclaimed:
            why = f"neither the queue nor the history of {self.scene.schedd} shows the job that it was made for"
            yield self._key_pair(name, OrphanStep.REPORT, why)

    def _instance(self, line: VMRecord, instance: InstanceRow) -> Orphan:
        base = Orphan(
            kind="instance", name=instance.id, queue=instance.queue, why=f"is {instance.state} and has no VM job",
            step=OrphanStep.REPORT, seen_s=0, vm=instance.vm, account=self.scene.instances.get(instance.id, ""),
            instance=instance, machine=line.startd,
        )  # fmt: skip
        foreign = self._foreign(instance)
        if foreign is not None:
            return self._decided(base, foreign)
        step, why, absent = self._end(line, instance)
        return self._decided(replace(base, step=step, absent=absent, counts=True), why)

    def _foreign(self, instance: InstanceRow) -> str | None:
        """Why it may be another's."""
        if not instance.vm:
            return "it does not say whose it is"
        if instance.schedd != self.scene.schedd:
            whose = f"schedd {instance.schedd}" if instance.schedd else "no schedd that its tags name"
            return f"its VM job is in {whose}, if anywhere"
        return None

    def _second(self, line: VMRecord, job: VMJobRow, instance: InstanceRow) -> Orphan:
        base = Orphan(
            kind="second instance", name=instance.id, queue=instance.queue,
            why=f"is {instance.state}, and VM job {job.job} has {job.instance}", step=OrphanStep.REPORT, seen_s=0,
            vm=line.vm, account=self.scene.instances.get(instance.id, ""), instance=instance, job=job,
        )  # fmt: skip
        foreign = self._foreign(instance)
        if foreign is not None:
            return self._decided(base, foreign)
        step, why = self._end_second(line, job, instance)
        return self._decided(replace(base, step=step, counts=True), why)

    def _end_second(self, line: VMRecord, job: VMJobRow, instance: InstanceRow) -> tuple[OrphanStep, str]:
        """Both machines have one name, in the pool and for the jobs on them; only what their ads say tells them apart.

        A command by that name may reach either, so none is sent.
        """
        if instance.state in STOPPED:
            return OrphanStep.TERMINATE, f"the cloud says that it is {instance.state}"
        silent = self.sightings.silent.get(instance.id)
        if silent is None:
            return OrphanStep.REPORT, "nothing proves it empty: it ends by its own timers, or when the VM job has left"
        assert line.startd is not None, "observe() notes an instance as silent only while it sees a fresh startd"
        if line.startd.claims:
            claims = counted(line.startd.claims, "claim")
            return OrphanStep.WAIT, f"left alone while jobs run on a machine of its name, {claims}"
        known = (self.sightings.spoke.get(instance.id), self.sightings.old.get(instance.id))
        since = max((tick for tick in known if tick is not None), default=None)
        if since is not None and since + self.rules.lost_s > self.scene.tick:
            left_s = since + self.rules.lost_s - self.scene.tick
            return OrphanStep.WAIT, f"it may have been in the pool: left alone for {left_s:.0f} s"
        if self.scene.tick - silent < self.rules.apart_s:
            return OrphanStep.WAIT, f"all ads of its name are of {job.instance}, for {self.scene.tick - silent:.0f} s"
        return OrphanStep.TERMINATE, f"all ads of its name are of {job.instance}"

    def _end(self, line: VMRecord, instance: InstanceRow) -> tuple[OrphanStep, str, bool]:
        """How an instance without a VM job comes to its end; whether the pool may show nothing of it."""
        startd, master = line.startd, line.master
        if instance.state in STOPPED:
            return OrphanStep.TERMINATE, f"the cloud says that it is {instance.state}", False
        if startd is not None and is_fresh(self.scene, self.rules, startd):
            return *_leaving(startd, instance), False
        if master is not None and is_fresh(self.scene, self.rules, master) and line.speaks(instance):
            started = line.vm in self.sightings.joined or self.scene.now - master.started > _STARTS_S
            if started and not master.startd_runs:
                return OrphanStep.TERMINATE, "empty: its master is there and says that its startd is not", False
            return OrphanStep.WAIT, "its master is in the pool, its startd is not", False
        known = (self.sightings.in_pool.get(line.vm), self.sightings.old.get(instance.id))
        since = max((tick for tick in known if tick is not None), default=None)
        if since is None:
            return OrphanStep.TERMINATE, "it never joined the pool", True
        left_s = since + self.rules.lost_s - self.scene.tick
        if left_s > 0:
            return (
                OrphanStep.WAIT,
                f"a job may be on it, though the pool shows no sign of it: left alone for {left_s:.0f} s",
                True,
            )
        return OrphanStep.TERMINATE, f"no sign of it for {self.scene.tick - since:.0f} s", True

    def _vm_job(self, line: VMRecord, job: VMJobRow) -> Orphan:
        base = Orphan(
            kind="VM job", name=str(job.job), queue=line.queue, why=f"waits for instance {job.instance}, which is gone",
            step=OrphanStep.REMOVE, seen_s=0, vm=line.vm, job=job, absent=True,
        )  # fmt: skip
        ended = any(each.id == job.instance for each in line.instances)
        account = self.sightings.met.get(job.instance or "")
        if not ended and account is None:
            return self._decided(replace(base, step=OrphanStep.REPORT), "the cloud has never shown it by its tags")
        if not ended and account not in self.scene.answered:
            why = "the account that has shown it did not answer, or is not asked any more"
            return self._decided(replace(base, step=OrphanStep.REPORT), why)
        if is_fresh(self.scene, self.rules, line.startd) or is_fresh(self.scene, self.rules, line.master):
            return self._decided(replace(base, step=OrphanStep.WAIT), "the pool still shows it")
        return self._decided(base, "the cloud says that it has ended" if ended else "the cloud shows it no more")

    def _key_pair(self, name: str, step: OrphanStep, why: str) -> Orphan:
        return self._decided(Orphan("key pair", name, "", why, step, 0, account=self.scene.key_pairs.get(name, "")))

    def _startd(self, line: VMRecord) -> Orphan:
        row = line.startd or line.master
        assert row is not None
        claims = line.startd.claims if line.startd is not None else 0
        why = f"carries our factory id, and has no VM job and no instance; {counted(claims, 'claim')}"
        return self._decided(Orphan("startd", row.name, "", why, OrphanStep.REPORT, 0, vm=line.vm, machine=line.startd))

    def _decided(self, orphan: Orphan, why: str = "") -> Orphan:
        """With how long it has been seen, and held back if something speaks against the step."""
        seen_s = self.scene.tick - self.sightings.first.get(orphan.key, self.scene.tick)
        orphan = replace(orphan, seen_s=seen_s, why=f"{orphan.why}: {why}" if why else orphan.why)
        if orphan.step is OrphanStep.WAIT:
            return orphan
        if seen_s < self.rules.apart_s:
            return replace(orphan, step=OrphanStep.WAIT, why=f"{orphan.why}; seen for {seen_s:.0f} s")
        if orphan.step is not OrphanStep.REPORT and not self.rules.reaps:
            return replace(orphan, step=OrphanStep.REPORT)
        held = self.rules.hands_off
        hands_off = held.get("*") or held.get(orphan.queue or orphan.account)
        if orphan.step is not OrphanStep.REPORT and hands_off:
            return replace(orphan, step=OrphanStep.WAIT, why=f"{orphan.why}; {hands_off}")
        return orphan


def _leaving(startd: MachineRow, instance: InstanceRow) -> tuple[OrphanStep, str]:
    """How an instance with a startd is emptied. A drain that is not ours empties it as well."""
    same_kind = instance.id.startswith("i-") == (startd.instance or "").startswith("i-")
    if startd.instance and same_kind and startd.instance != instance.id:
        return OrphanStep.REPORT, f"a startd with its APFVM runs on {startd.instance}"
    if startd.drain_reason is not None:
        return OrphanStep.WAIT, f"it drains, {counted(startd.claims, 'claim')}"
    if startd.claims and startd.retiring >= startd.claims:
        return OrphanStep.WAIT, f"it retires, {counted(startd.claims, 'claim')}"
    return OrphanStep.DRAIN, f"its startd is in the pool, {counted(startd.claims, 'claim')}"


def _limited(scene: AuditSnapshot, sightings: AuditHistory, orphans: list[Orphan]) -> Iterator[Orphan]:
    """No more steps for a queue than rule 8 allows.

    They take turns: who waits longest comes first, and whoever had a turn that did not end it waits anew. So nobody
    waits for ever, however many of the others can't be ended. Those that are asked to leave are counted apart from
    those that are ended: a machine that does not obey takes no turn from one that is empty.
    """

    def waits_s(orphan: Orphan) -> float:
        return min(orphan.seen_s, scene.tick - sightings.tried.get(orphan.key, float("-inf")))

    there = Counter(each.queue for line in scene.inventory.records for each in line.alive)
    taken: Counter[tuple[str, bool]] = Counter()
    for orphan in sorted(orphans, key=lambda o: (-waits_s(o), o.key)):
        if orphan.step in {OrphanStep.DRAIN, OrphanStep.TERMINATE, OrphanStep.REMOVE}:
            limit = max(1, int(_FRACTION * there[orphan.queue]))
            turn = orphan.queue, orphan.step is OrphanStep.DRAIN
            taken[turn] += 1
            if taken[turn] > limit:
                why = f"{orphan.why}; no more than {limit} of {there[orphan.queue]} at once"
                orphan = replace(orphan, step=OrphanStep.WAIT, why=why)  # noqa: PLW2901
        yield orphan
