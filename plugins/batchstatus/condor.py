"""Condor: pilots and other plain jobs of a queue, counted by JobStatus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pydantic import Field

from factory.condor.schedd.plain_jobs import PilotRows, PilotsSource
from factory.plugin import (
    FINISHED,
    BatchStatus,
    BatchStatusPlugin,
    Duration,
    Jobs,
    JobStatus,
    Memory,
    PluginSettings,
    Readings,
    Source,
    Unknown,
    own_schedd,
)

PENDING = (JobStatus.UNEXPANDED, JobStatus.IDLE)
RUNNING = (JobStatus.RUNNING, JobStatus.TRANSFERRING_OUTPUT)


class Condor(BatchStatusPlugin):
    """Count the jobs that this factory submitted for the queue.

    JobStatus 0 and 1 are pending, 2 and 6 running, 3 and 4 done, 5 held, 7 suspended. Held and suspended jobs are no
    capacity.
    """

    shows = Jobs.PLAIN

    class Settings(PluginSettings):
        interval: Duration = Field(default=0, json_schema_extra={"old": "sleep"})
        """A reading younger than this is used again; 0: poll for every decision."""
        maxage: Duration | None = Field(default=None, ge=1)
        """A reading older than this is unknown; none: as ``[Factory] maxage`` says."""

    settings: Settings

    def sources(self) -> tuple[Source, ...]:
        """Return the source of the factory's plain jobs."""
        factory, settings = self.factory, self.settings
        return (
            PilotsSource(
                schedd=own_schedd(factory),
                owner=factory.owner,
                factory_id=factory.id,
                interval_s=settings.interval,
                deadline_s=factory.deadline,
                maxage_s=settings.maxage or factory.maxage,
            ),
        )

    def read(self, readings: Readings, memory: Memory) -> BatchStatus | Unknown:
        """Return the counts and jobs of this queue."""
        rows = readings.rows(self.sources()[0])
        if isinstance(rows, Unknown):
            return rows
        assert isinstance(rows, PilotRows)
        jobs = rows.jobs.get(self.queue.name, ())
        counts = Counter(job.status for job in jobs)

        def count(statuses: Iterable[JobStatus]) -> int:
            return sum(counts[status] for status in statuses)

        return BatchStatus(
            pending=count(PENDING),
            running=count(RUNNING),
            done=count(FINISHED),
            held=counts[JobStatus.HELD],
            suspended=counts[JobStatus.SUSPENDED],
            jobs=jobs,
        )


class CondorLocal(Condor):
    """Condor under the name that some configurations use."""
