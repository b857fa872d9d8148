"""Count VM jobs that left the queue although the factory did not remove them; their instances may be alive. Pure.

ec2_gahp takes an answer without the instance, or one that it can't parse, as proof that the instance has ended, and
HTCondor completes the VM job. The instance counts against the caps (rule 6) until an audit that began late enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from factory.model.job_status import JobStatus
from factory.model.memory import AuditResult, Memory, VanishedJob
from factory.model.vm import TERMINATED
from factory.model.vm_job import VMJobRow

_SETTLES_S = 60
"""An audit that begins this long after the job vanished sees the instance if it exists (eventual consistency)."""
_LONGEST_S = 1800
"""A vanished job counts for at most this long if no audit settles it."""


def update_vanished(memory: Memory, jobs: Iterable[VMJobRow], audit: AuditResult, now: float) -> Memory:
    """Return the memory after a poll of all VM jobs of the factory."""
    there = {job.uuid: job for job in jobs}
    missing = {
        uuid: known
        for uuid, known in memory.missing.items()
        if uuid not in there
        and uuid not in audit.ended
        and audit.began < known.since + _SETTLES_S
        and now - known.since < _LONGEST_S
    }
    left = {uuid: queue for uuid, queue in memory.staying.items() if uuid not in there and uuid not in audit.ended}
    missing |= {uuid: VanishedJob(queue, now) for uuid, queue in left.items()}
    staying = {uuid: job.queue for uuid, job in there.items() if not _is_ending(job, now)}
    return replace(memory, staying=staying, missing=missing, ended=audit.ended, alive=audit.counted)


def _is_ending(job: VMJobRow, now: float) -> bool:
    """True if job and instance are expected to be gone by the next poll."""
    expired = job.lease_end is not None and job.lease_end <= now
    return expired or job.status == JobStatus.REMOVED or (job.grid_status or "").lower() in TERMINATED


def mark_removed(memory: Memory, uuids: Collection[str]) -> Memory:
    """Return the memory after the factory removed these VM jobs."""
    return replace(memory, staying={uuid: queue for uuid, queue in memory.staying.items() if uuid not in uuids})


def count_vanished(memory: Memory, audit: AuditResult) -> Mapping[str, int]:
    """Return the number of vanished VM jobs by queue, without those that the audit counts as orphans."""
    return Counter(known.queue for uuid, known in memory.missing.items() if uuid not in audit.counted)
