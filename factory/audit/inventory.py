"""Inventory: VM jobs, instances and startds of a factory, joined by ``APFVM``, and where they disagree. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
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
    """One VM as schedd, collector and cloud show it, joined by ``APFVM``."""

    vm: str
    queue: str
    job: VMJobRow | None
    instances: tuple[InstanceRow, ...]
    """Instances that the cloud shows; more than one is a duplicate launch."""
    startd: MachineRow | None
    master: MasterRow | None
    wrong: tuple[str, ...] = ()
    """Disagreements between the sources, for people."""
    cloud_known: bool = True
    """True if its cloud answered."""
    ad_instances: frozenset[str] = frozenset()
    """``EC2InstanceID`` of every ad with its ``APFVM``; an empty string for an ad without the attribute."""

    @property
    def alive(self) -> tuple[InstanceRow, ...]:
        """Instances that have not ended."""
        return tuple(each for each in self.instances if each.state not in ENDED)

    @property
    def second(self) -> tuple[InstanceRow, ...]:
        """Live instances other than the one recorded in the VM job (duplicate launches)."""
        if self.job is None or self.job.instance is None:
            return ()
        return tuple(each for each in self.alive if each.id != self.job.instance)

    def ads_come_from(self, instance: InstanceRow) -> bool:
        """True if, as far as its ads tell, all of them come from this instance."""
        ids = self.ad_instances - {""}
        if ids and all(each.startswith("i-") == instance.id.startswith("i-") for each in ids):
            return ids == {instance.id}
        return len(ids) < 2 and len(self.alive) == 1  # OpenStack's metadata service has names of its own

    @property
    def instance_gone(self) -> bool:
        """True if the VM job still waits for an instance that has ended or that the cloud does not show."""
        job = self.job
        if job is None or job.instance is None or not self.cloud_known or job.status in FINISHED:
            return False
        return job.instance not in {each.id for each in self.alive}


@dataclass(frozen=True)
class Inventory:
    """Everything that exists of a factory, and the disagreements."""

    records: tuple[VMRecord, ...]
    key_pairs: tuple[str, ...] = ()
    """Key pairs that a gridmanager made for VM jobs of this factory and left behind."""
    unclaimed: tuple[str, ...] = ()
    """Key pairs of jobs that the schedd no longer knows; they may be another factory's."""
    ended: frozenset[str] = frozenset()
    """VMs whose instances have all ended, as far as the cloud still shows them."""

    @property
    def wrong(self) -> int:
        """Number of records with a disagreement, plus key pairs left behind."""
        return sum(1 for record in self.records if record.wrong) + len(self.key_pairs)


def build_inventory(
    jobs: Iterable[VMJobRow],
    pool: PoolRows,
    instances: Iterable[InstanceRow] | None,
    key_pairs: Mapping[str, KeyPairOwner] = MappingProxyType({}),
    asked: frozenset[str] | None = None,
) -> Inventory:
    """Build the inventory of a factory.

    Args:
        instances: None if the clouds are unknown; missing instances are then no disagreement.
        asked: Queues whose cloud answered; None: all.
    """
    rows = tuple(instances or ())
    by_vm = {job.uuid: job for job in jobs}
    instances_of = _instances_by_vm(rows, by_vm)
    records = []
    for vm in sorted({*by_vm, *instances_of, *pool.machines, *pool.masters}):
        job, of_vm = by_vm.get(vm), tuple(instances_of.get(vm, ()))
        queue = job.queue if job is not None else of_vm[0].queue if of_vm else ""
        known = instances is not None and (asked is None or not queue or queue in asked)
        ad_instances = pool.instances.get(vm, frozenset())
        record = VMRecord(vm, queue, job, of_vm, pool.machines.get(vm), pool.masters.get(vm), (), known, ad_instances)
        records.append(replace(record, wrong=tuple(_disagreements(record))))
    left, unclaimed = (
        tuple(sorted(name for name, each in key_pairs.items() if each is owner))
        for owner in (KeyPairOwner.LEFT, KeyPairOwner.UNKNOWN)
    )
    return Inventory(tuple(records), left, unclaimed, _ended_vms(rows))


def _instances_by_vm(rows: Iterable[InstanceRow], vm_jobs: Collection[str]) -> Mapping[str, list[InstanceRow]]:
    """Return the instances by ``APFVM``; one that has ended matters only to a VM that has a job."""
    found: dict[str, list[InstanceRow]] = defaultdict(list)
    for instance in rows:
        if instance.state not in ENDED or instance.vm in vm_jobs:
            found[instance.vm or instance.id].append(instance)
    return found


def _ended_vms(rows: Iterable[InstanceRow]) -> frozenset[str]:
    """Return the VMs all of whose instances have ended."""
    alive: dict[str, bool] = {}
    for each in rows:
        alive[each.vm] = alive.get(each.vm, False) or each.state not in ENDED
    return frozenset(vm for vm, lives in alive.items() if vm and not lives)


def _disagreements(record: VMRecord) -> Iterator[str]:
    if record.job is None:
        yield from _without_job(record)
    else:
        yield from _of_instances(record, record.job)
        yield from _of_startd(record, record.job)


def _without_job(record: VMRecord) -> Iterator[str]:
    for each in record.alive:
        yield f"instance {each.id} is {each.state} and has no VM job: only its own timers end it"
    if record.startd is not None:
        claims = counted(record.startd.claims, "claim")
        yield f"startd {record.startd.name} carries our factory id and has no VM job, {claims}"
    elif record.master is not None and not record.alive:
        yield f"master {record.master.name} carries our factory id and has no VM job"


def _of_instances(record: VMRecord, job: VMJobRow) -> Iterator[str]:
    alive = record.alive
    if len(alive) > 1:
        yield f"{len(alive)} instances for one VM job: {', '.join(each.id for each in alive)}"
    for each in record.second:
        yield f"instance {each.id} is {each.state}, but the VM job records {job.instance}"
    if job.hold is not None:
        hold = classify(job.hold)
        yield f"its VM job is held: {hold.kind.value}, {short_text(job.hold)}"
    if record.instance_gone:
        state = next((each.state for each in record.instances if each.id == job.instance), None)
        yield f"its instance {job.instance} is {state}" if state else f"the cloud does not show instance {job.instance}"
    if job.instance is None and alive and job.status == JobStatus.RUNNING:
        yield f"instance {alive[0].id} is {alive[0].state}, but the VM job records no instance"


def _of_startd(record: VMRecord, job: VMJobRow) -> Iterator[str]:
    startd = record.startd
    if startd is not None and job.identity and startd.identity != job.identity:
        yield f"a startd with its APFVM has identity {startd.identity or 'unknown'}, not {job.identity}"
    if startd is not None and job.instance and startd.instance and startd.instance != job.instance:
        yield f"its startd reports instance {startd.instance}, but the VM job records {job.instance}"
