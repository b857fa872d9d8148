"""The JobStatus of an HTCondor job."""

from __future__ import annotations

from enum import IntEnum


class JobStatus(IntEnum):
    """Values of the job attribute ``JobStatus``. Rows keep plain integers, which compare equal to these."""

    UNEXPANDED = 0
    """HTCondor no longer sets it; AutoPyFactory counted it as waiting."""
    IDLE = 1
    RUNNING = 2
    REMOVED = 3
    COMPLETED = 4
    HELD = 5
    TRANSFERRING_OUTPUT = 6
    SUSPENDED = 7

    @property
    def on_machine(self) -> bool:
        """True if a job with this status occupies a slot."""
        return self in {JobStatus.RUNNING, JobStatus.TRANSFERRING_OUTPUT, JobStatus.SUSPENDED}


ON_MACHINE = frozenset(status for status in JobStatus if status.on_machine)
"""The statuses of jobs that occupy a slot."""
FINISHED = frozenset({JobStatus.REMOVED, JobStatus.COMPLETED})
"""The statuses of jobs that are about to leave the queue."""
