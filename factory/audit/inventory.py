"""The books: VM jobs, instances and startds of a factory side by side, and what is wrong in each line. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from factory.health.hold_reasons import classify, short_text
from factory.model.cloud import ENDED, InstanceRow, KeyPairOwner
from factory.model.job_status import FINISHED, JobStatus
from factory.model.pool import MachineRow, MasterRow, PoolRows
from factory.model.vm import counted
from factory.model.vm_job import VMJobRow


@dataclass(frozen=True, slots=True)
class VMRecord:
    """One VM as its sources know it, joined by ``APFVM``."""

    vm: str
    queue: str
    job: VMJobRow | None
    instances: tuple[InstanceRow, ...]
    """None: the cloud shows none; more than one: one launch too many."""
    startd: MachineRow | None
    master: MasterRow | None
    wrong: tuple[str, ...] = ()
    cloud_known: bool = True
    """Its cloud answered."""
    shown: frozenset[str] = frozenset()
    """``EC2InstanceID`` of all ads with its ``APFVM``, empty for one that has none."""

    @property
    def alive(self) -> tuple[InstanceRow, ...]:
        """Its instances that have not ended."""
        return tuple(each for each in self.instances if each.state not in ENDED)

    @property
    def second(self) -> tuple[InstanceRow, ...]:
        """Those of them that its VM job does not have, which has another."""
        if self.job is None or self.job.instance is None:
            return ()
        return tuple(each for each in self.alive if each.id != self.job.instance)

    def speaks(self, instance: InstanceRow) -> bool:
        """Whether its ads come from this instance and from no other, as far as they tell."""
        told = self.shown - {""}
        if all(each.startswith("i-") == instance.id.startswith("i-") for each in told) and told:
            return told == {instance.id}
        return len(told) < 2 and len(self.alive) == 1  # OpenStack's metadata service has names of its own

    @property
    def gone(self) -> bool:
        """Its VM job waits for the end of an instance that has ended, or that the cloud does not show."""
        job = self.job
        if job is None or job.instance is None or not self.cloud_known or job.status in FINISHED:
            return False
        return job.instance not in {each.id for each in self.alive}


@dataclass(frozen=True)
class Inventory:
    """What there is, and what is wrong."""

    records: tuple[VMRecord, ...]
    key_pairs: tuple[str, ...] = ()
    """Left behind by a gridmanager, which made them for VM jobs of this factory."""
    unclaimed: tuple[str, ...] = ()
    """Key pairs of jobs that the schedd no longer knows, whosever they were."""
    ended: frozenset[str] = frozenset()
    """VMs all of whose instances have ended, as far as the cloud still shows these."""

    @property
    def wrong(self) -> int:
        """Lines with something wrong, and key pairs left."""
        return sum(1 for line in self.records if line.wrong) + len(self.key_pairs)


def build_inventory(
    jobs: Iterable[VMJobRow],
    pool: PoolRows,
    instances: Iterable[InstanceRow] | None,
    key_pairs: Mapping[str, KeyPairOwner] = MappingProxyType({}),
    asked: frozenset[str] | None = None,
) -> Inventory:
    """The books of a factory. ``instances`` None: the clouds are unknown, and nothing is said of them.

    ``asked``: queues whose cloud answered; None: all.
    """
    jobs, shown_by_cloud = tuple(jobs), tuple(instances or ())
    by_vm = {job.uuid: job for job in jobs}
    machines: dict[str, list[InstanceRow]] = defaultdict(list)
    for instance in shown_by_cloud:
        if instance.state not in ENDED or instance.vm in by_vm:
            machines[instance.vm or instance.id].append(instance)
    lines = []
    for vm in sorted({*by_vm, *machines, *pool.machines, *pool.masters}):
        job, found = by_vm.get(vm), tuple(machines.get(vm, ()))
        queue = job.queue if job is not None else found[0].queue if found else ""
        known = instances is not None and (asked is None or not queue or queue in asked)
        shown = pool.instances.get(vm, frozenset())
        line = VMRecord(vm, queue, job, found, pool.machines.get(vm), pool.masters.get(vm), (), known, shown)
        lines.append(replace(line, wrong=tuple(_wrong(line))))
    left, unclaimed = (
        tuple(sorted(name for name, each in key_pairs.items() if each is whose))
        for whose in (KeyPairOwner.LEFT, KeyPairOwner.UNKNOWN)
    )
    alive = {each.vm for each in shown_by_cloud if each.state not in ENDED}
    ended = frozenset(each.vm for each in shown_by_cloud if each.vm and each.vm not in alive)
    return Inventory(tuple(lines), left, unclaimed, ended)


def _wrong(line: VMRecord) -> Iterator[str]:
    job, alive = line.job, line.alive
    if job is None:
        for each in alive:
            yield f"instance {each.id} is {each.state} and has no VM job: only its own timers end it"
        if line.startd is not None:
            claims = counted(line.startd.claims, "claim")
            yield f"startd {line.startd.name} carries our factory id and has no VM job, {claims}"
        elif line.master is not None and not alive:
            yield f"master {line.master.name} carries our factory id and has no VM job"
        return
    if len(alive) > 1:
        yield f"{len(alive)} instances for one VM job: {', '.join(each.id for each in alive)}"
    for each in line.second:
        yield f"instance {each.id} is {each.state}, and the VM job has {job.instance}"
    if job.hold is not None:
        found = classify(job.hold)
        yield f"its VM job is held: {found.kind.value}, {short_text(job.hold)}"
    if line.gone:
        ended = next((each.state for each in line.instances if each.id == job.instance), None)
        yield f"its instance {job.instance} is {ended or 'not there'}"
    if job.instance is None and alive and job.status == JobStatus.RUNNING:
        yield f"instance {alive[0].id} is {alive[0].state}, and the VM job knows of none"
    startd = line.startd
    if startd is not None and job.identity and startd.identity != job.identity:
        yield f"a startd claims its APFVM as {startd.identity or 'nobody'}"
    if startd is not None and job.instance and startd.instance and startd.instance != job.instance:
        yield f"its startd says that it runs on {startd.instance}"
