"""What is asked once more before an orphan is ended. Every function runs in a worker process."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from factory.condor import acts
from factory.condor.daemons import PoolAddress, ScheddAddress, same
from factory.model import JobId


@dataclass(frozen=True)
class Claimed:
    """VMs that jobs of one schedd need, by ``APFVM``, and why."""

    owned: Mapping[str, str]
    """A job has it as its VM."""
    busy: Mapping[str, str]
    """A job runs on it."""


def claimed(schedd: ScheddAddress, vms: Collection[str]) -> Claimed:
    """Of these ``APFVM`` those that a job of this schedd needs, whoever owns the job."""
    owners = schedd.open().query(constraint=_any_of("APFVM", vms), projection=["ClusterId", "ProcId", "APFVM"])
    return Claimed(
        {str(ad["APFVM"]): f"VM job {ad['ClusterId']}.{ad['ProcId']} owns it" for ad in owners},
        {vm: f"job {job} of {schedd} runs on it" for vm, job in acts.on_machines(schedd, vms).items()},
    )


def in_pool(pool: PoolAddress, vms: Collection[str]) -> set[str]:
    """Of these ``APFVM`` those of which the collector has the ad of a startd or a master."""
    import htcondor2

    collector, mine = pool.open(), _any_of("APFVM", vms)
    kinds = (htcondor2.AdType.Startd, htcondor2.AdType.Master)
    return {str(ad["APFVM"]) for kind in kinds for ad in collector.query(kind, constraint=mine, projection=["APFVM"])}


def left_behind(
    schedd: ScheddAddress, factory_id: str, owner: str, jobs: Collection[tuple[JobId, int]]
) -> set[tuple[JobId, int]]:
    """Of these jobs, with their QDate, those that have left the queue and were VM jobs of this factory."""
    import classad2

    handle = schedd.open()
    found = set()
    for job, submitted in jobs:
        this = f"ClusterId == {job.cluster} && ProcId == {job.proc} && QDate == {submitted}"
        if handle.query(constraint=this, projection=["ClusterId"], limit=1):
            continue
        mine = f"{this} && {same('APFFactory', factory_id)} && {same('Owner', owner)}"
        before = classad2.ExprTree(f"EnteredCurrentStatus < {submitted}")  # it can't have ended earlier than that
        if list(handle.history(constraint=mine, projection=["ClusterId"], match=1, since=before)):
            found.add((job, submitted))
    return found


def _any_of(name: str, values: Collection[str]) -> str:
    return " || ".join(same(name, value) for value in values) or "false"
