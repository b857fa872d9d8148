"""Orphans, both ways: what is one, for how long, and what may be done about it now. Pure.

Something is an orphan when it was seen as one twice, an audit interval apart, each time with schedd, collector and its
cloud fresh. What is remembered from audit to audit delays a step and never causes one (rule 1).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from factory.audit import Books, Line
from factory.clouds import InstanceRow
from factory.condor.pool import MachineRow, MasterRow
from factory.condor.vmjobs import VMJobRow

STOPPED = frozenset({"stopped", "error"})
"""The cloud's word that nothing runs there, and that somebody has to end it: OpenStack calls them SHUTOFF and ERROR."""

_FRACTION = 0.2
"""At most max(1, this part of a queue's instances) are drained or terminated by one audit (rule 8)."""
_STARTS_S = 120
"""A master says STARTD_StartTime == 0 also while its first startd starts; believed after this."""
_LOST_S = 3600
"""A VM that was in the pool and left it is left to itself for so long: longer than a job's lease (rule 5)."""


class Step(Enum):
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
    step: Step
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


@dataclass(frozen=True)
class Sightings:
    """What is remembered from audit to audit. Moments are of a clock that never jumps."""

    first: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """When each orphan was first seen as one, by kind and name."""
    began: float | None = None
    """Epoch of the first audit."""
    old: Mapping[str, float] = field(default_factory=dict)
    """Instances from before that, or from before their account was first seen, and when they were: whether a startd of
    theirs has been in the pool, nobody knows."""
    met: frozenset[str] = frozenset()
    """Instances that a cloud has shown alive."""
    in_pool: Mapping[str, float] = field(default_factory=dict)
    """When startd or master of a VM was last in the pool, by ``APFVM``."""
    joined: frozenset[str] = frozenset()
    """VMs whose startd was in the pool, by ``APFVM``."""
    accounts: frozenset[str] = frozenset()
    """Those that have answered before."""


@dataclass(frozen=True)
class Scene:
    """What one audit saw. ``now`` is the epoch, ``tick`` a clock that never jumps; both in seconds."""

    books: Books
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
class Rules:
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


def judge(scene: Scene, sightings: Sightings, rules: Rules) -> tuple[tuple[Orphan, ...], Sightings]:
    """The orphans of this audit with what to do about each now, and what to remember for the next."""
    known = _noted(scene, sightings, rules)
    found = list(_Judge(scene, known, rules).orphans())
    first = {(o.kind, o.name): known.first.get((o.kind, o.name), scene.tick) for o in found}
    if not scene.complete:  # of what nobody could look at nothing is forgotten
        shown = {*scene.instances, *scene.key_pairs}
        first = {key: tick for key, tick in known.first.items() if key[1] not in shown} | first
    return tuple(_limited(scene, found)), replace(known, first=first)


def _noted(scene: Scene, sightings: Sightings, rules: Rules) -> Sightings:
    lines = scene.books.lines
    began = scene.now if sightings.began is None else sightings.began
    alive = {each.id: each for line in lines for each in line.alive}
    unwatched = {
        each.id
        for each in alive.values()
        if each.launched <= began or scene.instances.get(each.id) not in sightings.accounts
    }
    old = {each: sightings.old.get(each, scene.tick) for each in alive if each in unwatched or each in sightings.old}
    wanted = {line.job.instance for line in lines if line.job is not None}
    seen = {
        line.vm: scene.tick for line in lines if _fresh(scene, rules, line.startd) or _fresh(scene, rules, line.master)
    }
    in_pool = {line.vm: sightings.in_pool[line.vm] for line in lines if line.vm in sightings.in_pool}
    return Sightings(
        first=sightings.first,
        began=began,
        old=old,
        met=frozenset(each for each in sightings.met if each in wanted) | alive.keys(),
        in_pool={**in_pool, **seen},
        joined=frozenset(line.vm for line in lines if line.startd is not None or line.vm in sightings.joined),
        accounts=sightings.accounts | scene.answered,
    )


def _fresh(scene: Scene, rules: Rules, row: MachineRow | MasterRow | None) -> bool:
    return row is not None and scene.now - row.heard <= rules.fresh_s


@dataclass(frozen=True)
class _Judge:
    scene: Scene
    sightings: Sightings
    rules: Rules

    def orphans(self) -> Iterator[Orphan]:
        for line in self.scene.books.lines:
            if line.job is None:
                for instance in line.alive:
                    yield self._instance(line, instance)
                if not line.alive and (line.startd or line.master) and self.scene.complete:
                    yield self._startd(line)
            elif line.gone and line.job.hold is None:
                yield self._vm_job(line, line.job)
        for name in self.scene.books.key_pairs:
            yield self._key_pair(name, Step.DELETE, "its VM job has left the queue")
        for name in self.scene.books.unclaimed:
            why = f"neither the queue nor the history of {self.scene.schedd} shows the job that it was made for"
            yield self._key_pair(name, Step.REPORT, why)

    def _instance(self, line: Line, instance: InstanceRow) -> Orphan:
        base = Orphan(
            kind="instance", name=instance.id, queue=instance.queue, why=f"is {instance.state} and has no VM job",
            step=Step.REPORT, seen_s=0, vm=instance.vm, account=self.scene.instances.get(instance.id, ""),
            instance=instance, machine=line.startd,
        )  # fmt: skip
        if not instance.vm:
            return self._decided(base, "it does not say whose it is")
        if instance.schedd != self.scene.schedd:
            whose = f"schedd {instance.schedd}" if instance.schedd else "no schedd that its tags name"
            return self._decided(base, f"its VM job is in {whose}, if anywhere")
        step, why, absent = self._end(line, instance)
        return self._decided(replace(base, step=step, absent=absent, counts=True), why)

    def _end(self, line: Line, instance: InstanceRow) -> tuple[Step, str, bool]:
        """How an instance without a VM job comes to its end; whether the pool may show nothing of it."""
        startd, master = line.startd, line.master
        if instance.state in STOPPED:
            return Step.TERMINATE, f"the cloud says that it is {instance.state}", False
        if startd is not None and _fresh(self.scene, self.rules, startd):
            return *_leaving(startd, instance), False
        if master is not None and _fresh(self.scene, self.rules, master):
            started = line.vm in self.sightings.joined or self.scene.now - master.started > _STARTS_S
            if started and not master.startd_runs:
                return Step.TERMINATE, "empty: its master is there and says that its startd is not", False
            return Step.WAIT, "its master is in the pool, its startd is not", False
        known = (self.sightings.in_pool.get(line.vm), self.sightings.old.get(instance.id))
        since = max((tick for tick in known if tick is not None), default=None)
        if since is None:
            return Step.TERMINATE, "it never joined the pool", True
        left_s = since + self.rules.lost_s - self.scene.tick
        if left_s > 0:
            return (
                Step.WAIT,
                f"a job may be on it, though the pool shows no sign of it: left alone for {left_s:.0f} s",
                True,
            )
        return Step.TERMINATE, f"no sign of it for {self.scene.tick - since:.0f} s", True

    def _vm_job(self, line: Line, job: VMJobRow) -> Orphan:
        base = Orphan(
            kind="VM job", name=str(job.job), queue=line.queue, why=f"waits for instance {job.instance}, which is gone",
            step=Step.REMOVE, seen_s=0, vm=line.vm, job=job, absent=True,
        )  # fmt: skip
        ended = any(each.id == job.instance for each in line.instances)
        if not ended and job.instance not in self.sightings.met:
            return self._decided(replace(base, step=Step.REPORT), "the cloud has never shown it by its tags")
        if _fresh(self.scene, self.rules, line.startd) or _fresh(self.scene, self.rules, line.master):
            return self._decided(replace(base, step=Step.WAIT), "the pool still shows it")
        return self._decided(base, "the cloud says that it has ended" if ended else "the cloud shows it no more")

    def _key_pair(self, name: str, step: Step, why: str) -> Orphan:
        return self._decided(Orphan("key pair", name, "", why, step, 0, account=self.scene.key_pairs.get(name, "")))

    def _startd(self, line: Line) -> Orphan:
        row = line.startd or line.master
        assert row is not None
        claims = line.startd.claims if line.startd is not None else 0
        why = f"carries our factory id, and has no VM job and no instance; {claims} claims"
        return self._decided(Orphan("startd", row.name, "", why, Step.REPORT, 0, vm=line.vm, machine=line.startd))

    def _decided(self, orphan: Orphan, why: str = "") -> Orphan:
        """With how long it has been seen, and held back if something speaks against the step."""
        seen_s = self.scene.tick - self.sightings.first.get((orphan.kind, orphan.name), self.scene.tick)
        orphan = replace(orphan, seen_s=seen_s, why=f"{orphan.why}: {why}" if why else orphan.why)
        if orphan.step is Step.WAIT:
            return orphan
        if seen_s < self.rules.apart_s:
            return replace(orphan, step=Step.WAIT, why=f"{orphan.why}; seen for {seen_s:.0f} s")
        if orphan.step is not Step.REPORT and not self.rules.reaps:
            return replace(orphan, step=Step.REPORT)
        held = self.rules.hands_off
        hands_off = held.get("*") or held.get(orphan.queue or orphan.account)
        if orphan.step is not Step.REPORT and hands_off:
            return replace(orphan, step=Step.WAIT, why=f"{orphan.why}; {hands_off}")
        return orphan


def _leaving(startd: MachineRow, instance: InstanceRow) -> tuple[Step, str]:
    """How an instance with a startd is emptied. A drain that is not ours empties it as well."""
    same_kind = instance.id.startswith("i-") == (startd.instance or "").startswith("i-")
    if startd.instance and same_kind and startd.instance != instance.id:
        return Step.REPORT, f"a startd with its APFVM runs on {startd.instance}"
    if startd.drain_reason is not None:
        return Step.WAIT, f"it drains, {startd.claims} claims"
    if startd.claims and startd.retiring >= startd.claims:
        return Step.WAIT, f"its {startd.claims} claims retire"
    return Step.DRAIN, f"its startd is in the pool, {startd.claims} claims"


def _limited(scene: Scene, orphans: list[Orphan]) -> Iterator[Orphan]:
    """No more steps for a queue than rule 8 allows, those first that have been seen for longest."""
    there = Counter(each.queue for line in scene.books.lines for each in line.alive)
    taken: Counter[str] = Counter()
    for orphan in sorted(orphans, key=lambda o: (-o.seen_s, o.kind, o.name)):
        if orphan.step in {Step.DRAIN, Step.TERMINATE, Step.REMOVE}:
            limit = max(1, int(_FRACTION * there[orphan.queue]))
            taken[orphan.queue] += 1
            if taken[orphan.queue] > limit:
                why = f"{orphan.why}; no more than {limit} of {there[orphan.queue]} at once"
                orphan = replace(orphan, step=Step.WAIT, why=why)  # noqa: PLW2901
        yield orphan
