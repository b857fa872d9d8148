"""Jobs in schedds as work: what CondorLocal and Condor have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from pydantic import Field, field_validator

from factory.condor.classad.literals import same_text
from factory.condor.job_demand import DemandQuery, JobDemandRows, JobDemandSource
from factory.condor.schedd.job_counts import QUEUE_ATTRIBUTE, JobCountRows, JobCountSource
from factory.fit.join_schedds import join_demands
from factory.model.vm_job import VMJobRows
from factory.plugin import (
    ATTRIBUTE,
    FINISHED,
    ON_MACHINE,
    Demand,
    Duration,
    Finding,
    JobStatus,
    PluginSettings,
    PoolAddress,
    Readings,
    ScheddAddress,
    SiteStatus,
    Source,
    Template,
    Unknown,
    VMLease,
    WmsStatus,
    WmsStatusPlugin,
    checked_expression,
)

READY = (JobStatus.UNEXPANDED, JobStatus.IDLE)

_BOOTS_S = 10
"""No machine is in the pool so soon after its VM job came into the queue."""

ANY = "ANY"
"""As queueskey or wmsqueue: all jobs."""


class ScheddJobs(WmsStatusPlugin):
    """Counts jobs of one or more schedds by JobStatus: 0, 1 ready; 2, 6, 7 running; 3, 4 done; 5 failed.

    This is AutoPyFactory's table, with 7 (suspended), which it dropped, as running.
    """

    class Settings(PluginSettings):
        constraint: str | None = None
        """ClassAd expression over the job ad, in place of ``wmsqueue``."""
        queueskey: str = QUEUE_ATTRIBUTE
        """Attribute of the jobs whose value is the queue's ``wmsqueue``; ``ANY``: all jobs are its work."""
        interval: Duration = Field(default=0, json_schema_extra={"old": "sleep"})
        """A reading younger than this is used again; 0: poll for every decision."""
        maxage: Duration | None = Field(default=None, ge=1)
        """A reading older than this is unknown; none: as ``[Factory] maxage`` says."""

        @field_validator("constraint")
        @classmethod
        def _expression(cls, value: str | None) -> str | None:
            return value if value is None else checked_expression(value)

        @field_validator("queueskey")
        @classmethod
        def _attribute(cls, value: str) -> str:
            if not ATTRIBUTE.fullmatch(value):
                raise ValueError(f"{value!r} is no name of an attribute; write one, or ANY for all jobs")
            return value

    settings: Settings

    @abstractmethod
    def schedds(self) -> tuple[ScheddAddress, ...]:
        """The schedds whose jobs are added up."""

    def sources(self) -> tuple[Source, ...]:
        """The jobs of each schedd, one source for all queues that read it; or job groups, if the chain wants them."""
        return self._sources() if self.templates is None else self._fit(self.templates)

    def _fit(self, templates: tuple[Template, ...]) -> tuple[JobDemandSource, ...]:
        settings = self.settings
        return tuple(
            JobDemandSource(
                pool=PoolAddress(self.factory.pool),
                schedd=schedd,
                queries=frozenset({DemandQuery(self._selection(), templates)}),
                factory_id=self.factory.id,
                interval_s=settings.interval,
                deadline_s=self.factory.deadline,
                maxage_s=settings.maxage or self.factory.maxage,
            )
            for schedd in self.schedds()
        )

    def check(self) -> Iterator[Finding]:
        """All jobs are meant only if that is said: in AutoPyFactory a queue without wmsqueue had no work."""
        settings = self.settings
        if settings.constraint is None and settings.queueskey != ANY and self.queue.wmsqueue is None:
            text = (
                "is not set, so that all jobs of the schedd are this queue's work; name a queue, write "
                f"{self.key('constraint')}, or wmsqueue = {ANY} if all are meant"
            )
            yield Finding("warning", text, self.queue.name, "wmsqueue")

    def shares(self) -> frozenset[str]:
        """The same jobs of the same schedd; one source may bring those of many queues."""
        return frozenset(f"{self._selection() or 'all jobs'} of {schedd}" for schedd in self.schedds())

    def jobs(self) -> tuple[tuple[ScheddAddress, ...], str]:
        """The queue's jobs in all schedds."""
        return self.schedds(), self._selection() or "true"

    def _selection(self) -> str | None:
        """The jobs of this queue, as a ClassAd expression; none: all."""
        settings, wmsqueue = self.settings, self.queue.wmsqueue
        if settings.constraint is not None:
            return settings.constraint
        if settings.queueskey == ANY or wmsqueue in (None, ANY):
            return None
        return same_text(settings.queueskey, str(wmsqueue))

    def _sources(self) -> tuple[JobCountSource, ...]:
        settings = self.settings
        attributes = {QUEUE_ATTRIBUTE} if settings.queueskey == ANY else {QUEUE_ATTRIBUTE, settings.queueskey}
        return tuple(
            JobCountSource(
                schedd=schedd,
                attributes=frozenset(attributes),
                constraints=frozenset(() if settings.constraint is None else (settings.constraint,)),
                interval_s=settings.interval,
                deadline_s=self.factory.deadline,
                maxage_s=settings.maxage or self.factory.maxage,
            )
            for schedd in self.schedds()
        )

    def read(self, readings: Readings) -> WmsStatus | Unknown:
        """Jobs by state; partial if a schedd is missing, unknown if all are."""
        if self.templates is not None:
            return self._read_groups(readings, self.templates)
        total: Counter[int] = Counter()
        missing: list[Unknown] = []
        for source in self._sources():
            counts = self._counts(readings, source)
            if isinstance(counts, Unknown):
                missing.append(counts)
            else:
                total.update(counts)
        reasons = "; ".join(unknown.reason for unknown in missing)
        if len(missing) == len(self.schedds()):
            return Unknown(reasons)

        return replace(_counted(total), partial=reasons or None)

    def _read_groups(self, readings: Readings, templates: tuple[Template, ...]) -> WmsStatus | Unknown:
        """The same as job groups. What the jobs of a missing schedd take of the free room is not known: all counts."""
        sources = self._fit(templates)
        found = [self._demand(readings, source) for source in sources]
        demands = [rows for rows in found if isinstance(rows, Demand)]
        reasons = "; ".join(rows.reason for rows in found if isinstance(rows, Unknown))
        if not demands:
            return Unknown(reasons)
        looked = max(readings.by_key[source.key].started for source in sources if source.key in readings.by_key)
        demand = replace(
            join_demands(demands),
            partial=bool(reasons),
            leases=_leases(readings, looked),
            update_s=self.factory.update_interval,
        )
        return replace(_of_groups(demand), partial=reasons or None)

    def _demand(self, readings: Readings, source: JobDemandSource) -> Demand | Unknown:
        """This queue's jobs in one schedd, as groups."""
        rows = readings.rows(source)
        if isinstance(rows, Unknown):
            return rows
        assert isinstance(rows, JobDemandRows)
        demand = rows.demand(self._selection())
        return Unknown(f"{source.key}: {demand.reason}") if isinstance(demand, Unknown) else demand

    def _counts(self, readings: Readings, source: JobCountSource) -> Mapping[int, int] | Unknown:
        """This queue's jobs in one schedd, by JobStatus."""
        rows = readings.rows(source)
        if isinstance(rows, Unknown):
            return rows
        assert isinstance(rows, JobCountRows)
        settings, wmsqueue = self.settings, self.queue.wmsqueue
        if settings.constraint is not None:
            unread = Unknown("not read by this constraint yet")
            counts = rows.by_constraint.get(settings.constraint, unread)
            return Unknown(f"{source.key}: {counts.reason}") if isinstance(counts, Unknown) else counts
        if settings.queueskey == ANY or wmsqueue in (None, ANY):
            return rows.total
        by_value = rows.by_attribute.get(settings.queueskey)
        if by_value is None:
            return Unknown(f"{source.key}: not read by {settings.queueskey} yet")
        return by_value.get(wmsqueue, {})

    def read_site(self, readings: Readings) -> SiteStatus | Unknown:
        """A schedd is always ``ok``."""
        return SiteStatus("ok")


def _leases(readings: Readings, looked: float) -> Mapping[str, VMLease] | None:
    """By APFVM, what the VM jobs say, unless they were read so long before the machines that one might be missing."""
    for reading in readings.by_key.values():
        rows, late = reading.rows, looked - reading.started
        if isinstance(rows, VMJobRows) and late < _BOOTS_S and reading.usable(readings.now, readings.after) is None:
            return rows.leases
    return None


def _of_groups(demand: Demand) -> WmsStatus:
    counts = Counter(demand.others)
    counts[JobStatus.IDLE] = sum(group.count for group in demand.groups)
    return replace(_counted(counts), demand=demand)


def _counted(jobs: Mapping[int, int]) -> WmsStatus:
    """Jobs by JobStatus as work."""

    def count(statuses: Iterable[JobStatus]) -> int:
        return sum(jobs.get(status, 0) for status in statuses)

    return WmsStatus(
        ready=count(READY), running=count(ON_MACHINE), done=count(FINISHED), failed=jobs.get(JobStatus.HELD, 0)
    )
