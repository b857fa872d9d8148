"""VM jobs as the schedd shows them, one compact row each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from factory.model.demand import VMLease
from factory.model.job_status import JobStatus
from factory.model.vm import Hold, JobId

_AT_AN_END = frozenset({JobStatus.REMOVED, JobStatus.COMPLETED, JobStatus.HELD})


@dataclass(frozen=True, slots=True)
class VMJobRow:
    """One VM job."""

    job: JobId
    status: int
    uuid: str
    queue: str
    shape: str
    identity: str
    incarnation: str
    submitted: float
    entered_status: float
    lease_end: float | None
    retire_time: float | None
    unretire_time: float | None
    instance: str | None
    grid_status: str | None
    """The cloud's own word for the state of the instance."""
    hold: Hold | None
    lease_max: float | None = None
    """No extension of the lease goes beyond."""
    lease_moves: bool = False
    """HTCondor reads the end of the lease again and again, so that it can be extended."""
    build: str = ""
    """What its image and its user-data are."""
    update_s: float = 0
    """How often its startd reports to the collector; 0: not known."""


@dataclass(frozen=True)
class VMJobRows:
    """VM jobs of one factory, and the startds with a job that any retirement may evict."""

    jobs: tuple[VMJobRow, ...] = ()
    evictable: frozenset[str] = frozenset()
    """Names of startds on which a job runs that set its own MaxJobRetirementTime."""

    @cached_property
    def leases(self) -> dict[str, VMLease]:
        """By APFVM, what matters to jobs that may find room on the machine."""
        return {
            job.uuid: VMLease(
                job.lease_end,
                job.status in _AT_AN_END or (job.retire_time or 0) > (job.unretire_time or 0),
                job.update_s,
            )
            for job in self.jobs
        }

    def __reduce__(self) -> tuple[Any, ...]:
        """Rows travel as tuples, which takes a third of the time where there are thousands."""
        plain = [tuple([getattr(row, name) for name in VMJobRow.__slots__]) for row in self.jobs]
        return _restored, (type(self), [((r[0].cluster, r[0].proc), *r[1:]) for r in plain], self.evictable)


def _restored(kind: type[VMJobRows], plain: list[tuple[Any, ...]], evictable: frozenset[str]) -> VMJobRows:
    return kind(tuple([VMJobRow(JobId(*row[0]), *row[1:]) for row in plain]), evictable)
