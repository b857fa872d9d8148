"""How a lease is extended: up to ``lease_max``, for which the VM's own timer and its token were made. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from factory.model.job_status import JobStatus
from factory.model.vm_job import VMJobRow
from factory.settings.types import format_duration

_SEEN_AFTER_S = 90
"""The gridmanager reads the ends of leases every 60 s (gridmanager.cpp, CheckLeases), some seconds late."""
_LEAVES: dict[int, str] = {JobStatus.REMOVED: "it is being removed", JobStatus.COMPLETED: "its instance has ended"}
"""By JobStatus: VM jobs whose lease is of no use any more."""


@dataclass(frozen=True, slots=True)
class Extension:
    """What becomes of one lease. Times are epoch seconds."""

    job: VMJobRow
    end: float | None
    """The new end. None: it stays as it is."""
    why: str = ""
    """Why it stays; or what to know of a lease that is extended."""

    def __str__(self) -> str:
        job = self.job
        who = f"VM {job.uuid} (job {job.job} of {job.queue})"
        if self.end is None:
            return f"{who}: NOT extended: {self.why}"
        before = "" if job.lease_end is None else f" instead of {format_utc(job.lease_end)}"
        return f"{who}: ends {format_utc(self.end)}{before}" + (f"; {self.why}" if self.why else "")


def extend_lease(job: VMJobRow, by_s: int, now: float) -> Extension:
    """The lease of this VM, longer by ``by_s`` than it is, or why that can't be."""
    if job.status in _LEAVES:
        return Extension(job, None, _LEAVES[job.status])
    if job.lease_end is None or not job.lease_moves:
        return Extension(job, None, "it was submitted by an apf whose leases can't be extended")
    if now > job.lease_end:
        return Extension(job, None, f"its lease is over since {format_utc(job.lease_end)}")
    latest = job.lease_end if job.lease_max is None else job.lease_max
    if job.lease_end + by_s > latest:
        room = int(latest - job.lease_end)
        most = (
            f"at most {format_duration(room)} more"
            if room > 0
            else "so does its lease; a higher lease_max is for VMs to come"
        )
        return Extension(job, None, f"its timer and its token end at its lease_max, {format_utc(latest)}: {most}")
    end = job.lease_end + by_s
    if job.lease_end - now < _SEEN_AFTER_S:
        return Extension(job, end, "this may come too late: HTCondor looks only once a minute")
    if job.retire_time is not None and (job.unretire_time or 0) < job.retire_time:
        return Extension(job, end, "it retires already, and is taken back only if work asks for it")
    return Extension(job, end)


def find_vm_jobs(jobs: Iterable[VMJobRow], target: str) -> list[VMJobRow]:
    """VM jobs of the queue, or of the VM, that is called so (APFVM or CLUSTER.PROC); the oldest first."""
    return sorted((job for job in jobs if target in {job.queue, job.uuid, str(job.job)}), key=lambda job: job.job)


def format_utc(epoch: float) -> str:
    """A moment, for people."""
    return f"{datetime.fromtimestamp(epoch, UTC):%Y-%m-%d %H:%M:%S} UTC"
