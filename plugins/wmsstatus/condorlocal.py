"""CondorLocal: jobs of the local schedd are the work."""

from __future__ import annotations

from collections import Counter

from factory.condor.daemons import ScheddAddress
from factory.condor.demand import DemandRows, DemandSource
from factory.model import SiteStatus
from factory.plugin import Duration, PluginSettings, Readings, Source, Unknown, WmsStatus, WmsStatusPlugin

READY = (0, 1)
RUNNING = (2, 6, 7)
DONE = (3, 4)
FAILED = (5,)


class CondorLocal(WmsStatusPlugin):
    """Counts the jobs whose MATCH_APF_QUEUE is the queue's ``wmsqueue``, or that fit ``constraint``.

    With neither, all jobs of the schedd. Only universes that run on startds count, and VM jobs never do.
    JobStatus 0 and 1 are ready, 2, 6 and 7 running, 3 and 4 done, 5 failed, as in AutoPyFactory.
    """

    class Settings(PluginSettings):
        constraint: str | None = None
        """ClassAd expression over the job ad, in place of ``wmsqueue``."""
        interval: Duration = 0
        """A reading younger than this is used again; 0: poll for every decision."""

    settings: Settings

    def sources(self) -> tuple[Source, ...]:
        """The jobs of one schedd, one source for all queues that read it."""
        constraint = self.settings.constraint
        return (
            DemandSource(
                schedd=self.schedd(),
                constraints=frozenset() if constraint is None else frozenset({constraint}),
                interval_s=self.settings.interval,
                deadline_s=self.factory.deadline,
                maxage_s=self.factory.maxage,
            ),
        )

    def schedd(self) -> ScheddAddress:
        """The schedd that is read."""
        return ScheddAddress()

    def read(self, readings: Readings) -> WmsStatus | Unknown:
        """Jobs by state."""
        rows = readings.rows(self.sources()[0])
        if isinstance(rows, Unknown):
            return rows
        assert isinstance(rows, DemandRows)
        if self.settings.constraint is not None:
            counts = rows.by_constraint.get(self.settings.constraint)
            if counts is None:
                return Unknown("the constraint is new and was not read yet")
        elif self.queue.wmsqueue is not None:
            counts = rows.by_queue.get(self.queue.wmsqueue, {})
        else:
            total: Counter[int] = Counter()
            for of_queue in rows.by_queue.values():
                total.update(of_queue)
            counts = total

        def count(statuses: tuple[int, ...]) -> int:
            return sum(counts.get(status, 0) for status in statuses)

        return WmsStatus(ready=count(READY), running=count(RUNNING), done=count(DONE), failed=count(FAILED))

    def read_site(self, readings: Readings) -> SiteStatus | Unknown:
        """A local schedd is always ``ok``."""
        return SiteStatus("ok")
