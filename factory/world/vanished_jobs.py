"""VM jobs that left the queue though nobody sent them away: their instances may live, and count till it is known. Pure.

ec2_gahp takes an answer without an instance, or one that it can't read, as word that the instance has ended, and
HTCondor completes the VM job (rule 6 must hold all the same). The next audit that comes long enough after it knows.
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
"""A cloud shows its instances to an audit that begins so long after HTCondor missed one (eventual consistency)."""
_LONGEST_S = 1800
"""Where no audit tells."""


def update_vanished(memory: Memory, jobs: Iterable[VMJobRow], audit: AuditResult, now: float) -> Memory:
    """The memory after a look at all VM jobs of the factory."""
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
    staying = {uuid: job.queue for uuid, job in there.items() if not _goes(job, now)}
    return replace(memory, staying=staying, missing=missing, ended=audit.ended, alive=audit.counted)


def _goes(job: VMJobRow, now: float) -> bool:
    """Whether it is no wonder if it has left by the next look, and its instance with it."""
    ends = job.lease_end is not None and job.lease_end <= now
    return ends or job.status == JobStatus.REMOVED or (job.grid_status or "").lower() in TERMINATED


def mark_removed(memory: Memory, uuids: Collection[str]) -> Memory:
    """The memory after these VM jobs were removed."""
    return replace(memory, staying={uuid: queue for uuid, queue in memory.staying.items() if uuid not in uuids})


def count_vanished(memory: Memory, audit: AuditResult) -> Mapping[str, int]:
    """By queue: missing VM jobs whose instances are not counted as orphans already."""
    return Counter(known.queue for uuid, known in memory.missing.items() if uuid not in audit.counted)
