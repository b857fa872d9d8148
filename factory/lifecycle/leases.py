"""Extend leases, up to ``lease_max``: until then the VM's own timer and its token are valid. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from factory.model.job_status import JobStatus
from factory.model.vm_job import VMJobRow
from factory.settings.types import format_duration

_SEEN_AFTER_S = 90
"""The gridmanager reads the ends of leases every 60 s (gridmanager.cpp, CheckLeases), some seconds late."""
_NO_LEASE: dict[int, str] = {JobStatus.REMOVED: "VM job is being removed", JobStatus.COMPLETED: "instance has ended"}
"""VM jobs whose lease no longer matters, by JobStatus."""


@dataclass(frozen=True, slots=True)
class Extension:
    """The result of a request to extend one lease. Times are epoch seconds."""

    job: VMJobRow
    end: float | None
    """The new end; None if the lease is not extended."""
    why: str = ""
    """Reason why the lease is not extended, or a warning about the extended lease."""

    def __str__(self) -> str:
        job = self.job
        who = f"VM {job.uuid} (job {job.job} of {job.queue})"
        if self.end is None:
            return f"{who}: NOT extended: {self.why}"
        before = "" if job.lease_end is None else f" instead of {format_utc(job.lease_end)}"
        return f"{who}: ends {format_utc(self.end)}{before}" + (f"; {self.why}" if self.why else "")


def extend_lease(job: VMJobRow, by_s: int, now: float) -> Extension:
    """Return the lease of this VM with its end moved by ``by_s`` seconds, or the reason why it can't move."""
    if job.status in _NO_LEASE:
        return Extension(job, None, _NO_LEASE[job.status])
    if job.lease_end is None or not job.lease_moves:
        return Extension(job, None, "submitted by an older apf, whose leases can't be extended")
    if now > job.lease_end:
        return Extension(job, None, f"lease ended at {format_utc(job.lease_end)}")
    latest = job.lease_end if job.lease_max is None else job.lease_max
    if job.lease_end + by_s > latest:
        return Extension(job, None, _too_long(latest, int(latest - job.lease_end)))
    end = job.lease_end + by_s
    left = job.lease_end - now
    if left < _SEEN_AFTER_S:
        warning = f"this may be too late: the lease ends in {left:.0f} s, and HTCondor checks it once a minute"
        return Extension(job, end, warning)
    if job.retire_time is not None and (job.unretire_time or 0) < job.retire_time:
        return Extension(job, end, "the VM is retiring; it is unretired only if jobs need it")
    return Extension(job, end)


def _too_long(latest: float, room_s: int) -> str:
    if room_s > 0:
        return f"lease_max is {format_utc(latest)}; extend by at most {format_duration(room_s)}"
    return f"lease ends at its lease_max, {format_utc(latest)}; a higher lease_max applies to new VMs only"


def find_vm_jobs(jobs: Iterable[VMJobRow], target: str) -> list[VMJobRow]:
    """Return the VM jobs of the queue or VM with this name (a VM's APFVM or CLUSTER.PROC), oldest first."""
    return sorted((job for job in jobs if target in {job.queue, job.uuid, str(job.job)}), key=lambda job: job.job)


def format_utc(epoch: float) -> str:
    """Return an epoch as date and time in UTC."""
    return f"{datetime.fromtimestamp(epoch, UTC):%Y-%m-%d %H:%M:%S} UTC"
