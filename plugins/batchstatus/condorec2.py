"""CondorEC2: the VMs of a queue, joined from VM jobs, startds and masters."""

from __future__ import annotations

from pydantic import Field

from factory.condor.collector.machines import PoolSource
from factory.condor.schedd.evictable_jobs import EvictableRows
from factory.condor.schedd.vm_jobs import VMJobsSource
from factory.lifecycle.vm_state import Joiner
from factory.model.pool import PoolRows
from factory.model.vm_job import VMJobRows
from factory.plugin import (
    BatchStatus,
    BatchStatusPlugin,
    Duration,
    Jobs,
    Memory,
    PluginSettings,
    PoolAddress,
    Readings,
    Source,
    Unknown,
    own_schedd,
)


class CondorEC2(BatchStatusPlugin):
    """Join job, startd and master by ``APFVM``; a startd counts only if identity and instance agree.

    It needs the schedd and the collector. A collector that restarted shows only machines that have reported since. It
    is not believed until it has been up for twice the update interval, the longest of ``[Factory] update_interval`` and
    those of the queue's VMs (rule 2).
    """

    shows = Jobs.VM

    class Settings(PluginSettings):
        interval: Duration = Field(default=0, json_schema_extra={"old": "sleep"})
        """A reading younger than this is used again; 0: poll for every decision."""
        maxage: Duration | None = Field(default=None, ge=1)
        """A reading older than this is unknown; none: as ``[Factory] maxage`` says."""

    def sources(self) -> tuple[Source, ...]:
        """Return the sources of the factory's machines and of its VM jobs."""
        return self._pool(), self._jobs()

    def _pool(self) -> PoolSource:
        factory = self.factory
        return PoolSource(
            pool=PoolAddress(factory.pool),
            factory_id=factory.id,
            interval_s=self.settings.interval,
            deadline_s=factory.deadline,
            maxage_s=self.settings.maxage or factory.maxage,
        )

    def _jobs(self) -> VMJobsSource:
        factory = self.factory
        return VMJobsSource(
            schedd=own_schedd(factory),
            owner=factory.owner,
            factory_id=factory.id,
            interval_s=self.settings.interval,
            deadline_s=factory.deadline,
            maxage_s=self.settings.maxage or factory.maxage,
        )

    def read(self, readings: Readings, memory: Memory) -> BatchStatus | Unknown:
        """Return the VMs of this queue."""
        jobs = readings.rows(self._jobs())
        pool = readings.rows(self._pool())
        for rows in (jobs, pool):
            if isinstance(rows, Unknown):
                return rows
        assert isinstance(jobs, VMJobRows)
        assert isinstance(pool, PoolRows)
        mine = [job for job in jobs.jobs if job.queue == self.queue.name]
        believed_after = 2 * max([self.factory.update_interval, *(job.update_s for job in mine)])
        if pool.collector_up_s < believed_after and any(job.instance for job in mine):
            return Unknown(
                f"the collector has been up for {pool.collector_up_s:.0f} s; its data count after "
                f"{believed_after:.0f} s, when every machine has reported"
            )
        asked = readings.by_key[self._pool().key].started  # the schedd may have answered long after that
        evictable = jobs.evictable.union(*(rows.startds for rows in readings.of_kind(EvictableRows)))
        joiner = Joiner(pool, evictable, memory, self.factory.id, asked, 2 * self.factory.update_interval)
        return BatchStatus.of_vms(joiner.vm(job) for job in mine)
