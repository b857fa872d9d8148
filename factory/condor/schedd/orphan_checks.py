"""Last checks before an orphan is ended: jobs and pool ads that still need it. Runs in a worker process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from factory.condor.classad.literals import same_text
from factory.condor.classad.values import number, value
from factory.condor.connect import open_collector, open_schedd
from factory.condor.schedd import actions as acts
from factory.model.address import PoolAddress, ScheddAddress
from factory.model.cloud import KeyPairMaker, StampedJob
from factory.model.vm import JobId

_STAMP = ["ClusterId", "ProcId", "QDate"]
_GRID = "JobUniverse == 9"


@dataclass(frozen=True)
class VMsInUse:
    """VMs that jobs of one schedd need, by ``APFVM``."""

    owned: Mapping[str, str]
    """VMs with a VM job, and the reason text."""
    instances: Mapping[str, frozenset[str]]
    """Instance ids in these VM jobs; an empty one for a job that has no instance."""
    busy: Mapping[str, str]
    """VMs on which a job runs by its own word, and the reason text."""


def vms_in_use(schedd: ScheddAddress, vms: Collection[str], owning: str) -> VMsInUse:
    """Return which of these ``APFVM`` a job of this schedd needs.

    ``owning``: constraint for our jobs that may own an instance; no other does, whatever its owner writes into its ad.
    """
    names = ["ClusterId", "ProcId", "APFVM", "EC2InstanceName"]
    owners = open_schedd(schedd).query(constraint=f"({owning}) && ({_any_of('APFVM', vms)})", projection=names)
    running = acts.jobs_on_startds(schedd, vms)
    return VMsInUse(
        {str(value(ad, "APFVM")): f"VM job {ad['ClusterId']}.{ad['ProcId']} owns it" for ad in owners},
        _by_vm(owners, "EC2InstanceName"),
        {vm: f"{replace(job, schedd=str(schedd))} runs on it" for vm, job in running.items()},
    )


def instances_in_pool(pool: PoolAddress, vms: Collection[str]) -> dict[str, frozenset[str]]:
    """Return which of these ``APFVM`` have startd or master ads in the collector, and their instance ids.

    The id is empty for an ad without one.
    """
    import htcondor2

    collector, these, names = open_collector(pool), _any_of("APFVM", vms), ["APFVM", "EC2InstanceID"]
    kinds = (htcondor2.AdType.Startd, htcondor2.AdType.Master)
    return _by_vm([ad for kind in kinds for ad in collector.query(kind, constraint=these, projection=names)], names[1])


def _by_vm(ads: Iterable[Mapping[str, Any]], name: str) -> dict[str, frozenset[str]]:
    """Collect the values of an attribute by ``APFVM``."""
    by_vm: dict[str, set[str]] = defaultdict(set)
    for ad in ads:
        by_vm[str(value(ad, "APFVM"))].add(str(value(ad, name, "")))
    return {vm: frozenset(values) for vm, values in by_vm.items()}


def queued_grid_jobs(schedd: ScheddAddress) -> set[StampedJob]:
    """Return every grid job in the queue, of any owner."""
    return {_stamped(ad) for ad in open_schedd(schedd).query(constraint=_GRID, projection=_STAMP)}


def key_pair_owners(schedd: ScheddAddress, jobs: Collection[StampedJob]) -> dict[StampedJob, KeyPairMaker]:
    """Return factory and owner of these grid jobs, as far as the history has them."""
    import classad2

    these = " || ".join(f"ClusterId == {j.cluster} && ProcId == {j.proc} && QDate == {at}" for j, at in jobs)
    oldest = min(submitted for _, submitted in jobs)
    before = classad2.ExprTree(f"EnteredCurrentStatus < {oldest}")  # no job ended before its submit
    ads = open_schedd(schedd).history(
        constraint=f"{_GRID} && ({these})", projection=[*_STAMP, "APFFactory", "Owner"], match=len(jobs), since=before
    )
    return {_stamped(ad): KeyPairMaker(str(value(ad, "APFFactory", "")), str(value(ad, "Owner", ""))) for ad in ads}


def _stamped(ad: Mapping[str, Any]) -> StampedJob:
    return JobId(int(ad["ClusterId"]), int(ad["ProcId"])), int(number(value(ad, "QDate")) or 0)


def _any_of(name: str, values: Collection[str]) -> str:
    return " || ".join(same_text(name, value) for value in values) or "false"
