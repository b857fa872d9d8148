"""Source: the VM jobs of this factory, from its schedd."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from factory.condor.classad.guard import fold_each
from factory.condor.classad.literals import same_text
from factory.condor.classad.values import has, number, text, value
from factory.condor.connect import open_schedd
from factory.condor.schedd.evictable_jobs import MAY_BE_EVICTED, startd_of
from factory.condor.schedd.job_counts import GRID, job_name
from factory.model.address import ScheddAddress
from factory.model.job_status import JobStatus
from factory.model.source import Source
from factory.model.vm import Hold, JobId
from factory.model.vm_job import VMJobRow, VMJobRows

_PROJECTION = [
    "ClusterId",
    "ProcId",
    "Owner",
    "APFFactory",
    "JobUniverse",
    "JobStatus",
    "RemoteHost",
    "QDate",
    "EnteredCurrentStatus",
    "APF_QUEUE",
    "APFVM",
    "APFShape",
    "APFBuild",
    "APFUpdateInterval",
    "APFIdentity",
    "APFIncarnation",
    "APFLeaseEnd",
    "APFLeaseMax",
    "TimerRemove",
    "APFRetireTime",
    "APFUnretireTime",
    "EC2InstanceName",
    "GridJobStatus",
    "HoldReason",
    "HoldReasonCode",
    "HoldReasonSubCode",
    "JobStatusOnRelease",
]


def our_vm_jobs(owner: str, factory_id: str) -> str:
    """Return the constraint for VM jobs of this owner and factory (rule 10)."""
    return f"{same_text('Owner', owner)} && {same_text('APFFactory', factory_id)} && APFVM =!= undefined"


def owning_jobs(owner: str, factory_id: str) -> str:
    """Return the constraint for VM jobs of this owner and factory that may own an instance: only a grid job does."""
    return f"JobUniverse == {GRID} && {our_vm_jobs(owner, factory_id)}"


def queue_vm_jobs(owner: str, factory_id: str, queue: str) -> str:
    """Return the constraint for all VM jobs of one queue, whatever their state."""
    return f"{our_vm_jobs(owner, factory_id)} && {same_text('APF_QUEUE', queue)}"


@dataclass(frozen=True, kw_only=True)
class VMJobsSource(Source):
    """VM jobs with this owner and factory id. Only a grid job owns an instance."""

    schedd: ScheddAddress
    owner: str
    factory_id: str

    @property
    def key(self) -> str:
        return f"VM jobs in {self.schedd}"

    @property
    def address(self) -> str:
        return str(self.schedd)

    def fetch(self) -> VMJobRows:
        """Query VM jobs and evictable jobs together: most of the time of a query is the pass over all jobs."""
        either = f"({owning_jobs(self.owner, self.factory_id)}) || ({MAY_BE_EVICTED})"
        ads = open_schedd(self.schedd).query(constraint=either, projection=_PROJECTION)
        problems: list[str] = []
        rows = list(fold_each(ads, lambda ad: (self._is_ours(ad), ad), job_name, problems))
        # An own VM job that can't be read makes the whole reading fail: left out, it would count as gone (rule 2).
        jobs = tuple(job_row(ad) for ours, ad in rows if ours)
        running = [ad for ours, ad in rows if not ours and has(ad, "RemoteHost")]
        return VMJobRows(jobs, frozenset(fold_each(running, startd_of, job_name, problems)), tuple(problems))

    def _is_ours(self, ad: Mapping[str, Any]) -> bool:
        vm = value(ad, "APFVM")
        marks = (value(ad, "Owner"), value(ad, "APFFactory"), value(ad, "JobUniverse"))
        mine = marks == (self.owner, self.factory_id, GRID)
        return mine and vm is not None and not isinstance(vm, Enum)  # undefined is an IntEnum


def job_row(ad: Mapping[str, Any]) -> VMJobRow:
    """Return a row from a job ad; pure."""
    status = int(ad["JobStatus"])
    return VMJobRow(
        job=JobId(int(ad["ClusterId"]), int(ad["ProcId"])),
        status=status,
        uuid=str(ad["APFVM"]),
        queue=str(ad.get("APF_QUEUE", "")),
        shape=str(ad.get("APFShape", "")),
        identity=str(ad.get("APFIdentity", "")),
        incarnation=str(ad.get("APFIncarnation", "")),
        submitted=number(ad.get("QDate")) or 0.0,
        entered_status=number(ad.get("EnteredCurrentStatus")) or 0.0,
        lease_end=number(ad.get("APFLeaseEnd")),
        retire_time=number(ad.get("APFRetireTime")),
        unretire_time=number(ad.get("APFUnretireTime")),
        instance=text(ad.get("EC2InstanceName")),
        grid_status=text(ad.get("GridJobStatus")),
        hold=_hold(ad) if status == JobStatus.HELD else None,
        build=text(ad.get("APFBuild")) or "",
        update_s=number(ad.get("APFUpdateInterval")) or 0,
        lease_max=number(ad.get("APFLeaseMax")),
        lease_moves=not isinstance(ad.get("TimerRemove"), Enum | None),  # an expression, which names APFLeaseEnd
    )


def _hold(ad: Mapping[str, Any]) -> Hold:
    on_release = number(ad.get("JobStatusOnRelease"))
    return Hold(
        code=int(ad.get("HoldReasonCode", 0)),
        subcode=int(ad.get("HoldReasonSubCode", 0)),
        reason=str(value(ad, "HoldReason", "")),
        status_on_release=None if on_release is None else int(on_release),
    )
