"""Count VM jobs that left the queue; their instances may be alive. Pure.

ec2_gahp takes an answer without the instance, or one that it can't parse, as proof that the instance has ended, and
HTCondor completes or removes the VM job. The instance counts against the caps (rule 6) until the cloud itself has said
that it ends, or until an audit that began late enough.
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
"""A vanished job of a queue whose cloud can't be audited counts for this long."""


def update_vanished(memory: Memory, jobs: Iterable[VMJobRow], audit: AuditResult, now: float) -> Memory:
    """Return the memory after a poll of all VM jobs of the factory."""
    there = {job.uuid: job for job in jobs}

    def left(before: Mapping[str, str], *, expected: bool) -> dict[str, VanishedJob]:
        gone = {uuid: queue for uuid, queue in before.items() if uuid not in there and uuid not in audit.ended}
        return {uuid: VanishedJob(queue, now, expected) for uuid, queue in gone.items()}

    missing = {
        uuid: known
        for uuid, known in memory.missing.items()
        if uuid not in there and uuid not in audit.ended and not _is_settled(known, audit, now)
    }
    missing |= left(memory.staying, expected=False) | left(memory.ending, expected=True)
    doubtful = [job for job in there.values() if (job.grid_status or "").lower() not in TERMINATED]
    ending = {job.uuid: job.queue for job in doubtful if _is_ending(job, now)}
    staying = {job.uuid: job.queue for job in doubtful if job.uuid not in ending}
    return replace(memory, staying=staying, ending=ending, missing=missing, ended=audit.ended, alive=audit.counted)


def _is_settled(job: VanishedJob, audit: AuditResult, now: float) -> bool:
    """True if the instance would be an orphan by now if it were alive."""
    if job.queue not in audit.asked:
        return now - job.since >= _LONGEST_S
    return audit.began.get(job.queue, 0) >= job.since + _SETTLES_S


def _is_ending(job: VMJobRow, now: float) -> bool:
    """True if the job is expected to be gone by the next poll, and its instance to end."""
    return job.status == JobStatus.REMOVED or (job.lease_end is not None and job.lease_end <= now)


def mark_removed(memory: Memory, uuids: Collection[str]) -> Memory:
    """Return the memory after the factory removed these VM jobs."""
    ending = {uuid: queue for uuid, queue in memory.staying.items() if uuid in uuids}
    staying = {uuid: queue for uuid, queue in memory.staying.items() if uuid not in uuids}
    return replace(memory, staying=staying, ending={**memory.ending, **ending})


def count_vanished(memory: Memory, audit: AuditResult, *, expected: bool) -> Mapping[str, int]:
    """Return the number of vanished VM jobs by queue, without those that the audit counts as orphans."""
    return Counter(
        known.queue
        for uuid, known in memory.missing.items()
        if uuid not in audit.counted and known.expected is expected
    )
