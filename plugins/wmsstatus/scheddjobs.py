"""Common base of CondorLocal and Condor: jobs in schedds as work."""

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
"""Shortest time from the submit of a VM job to the first ad of its machine."""

ANY = "ANY"
"""Value of queueskey or wmsqueue that selects all jobs."""


class ScheddJobs(WmsStatusPlugin):
    """Count jobs of one or more schedds by JobStatus: 0, 1 ready; 2, 6, 7 running; 3, 4 done; 5 failed.

    This is AutoPyFactory's table, except that 7 (suspended), which it ignored, is running.
    """

    class Settings(PluginSettings):
        constraint: str | None = None
        """ClassAd expression over the job ad that selects the jobs, instead of ``wmsqueue``."""
        queueskey: str = QUEUE_ATTRIBUTE
        """Job attribute that names the queue's ``wmsqueue``; ``ANY``: all jobs are its work."""
        interval: Duration = Field(default=0, json_schema_extra={"old": "sleep"})
        """A reading younger than this is used again; 0: poll for every decision."""
        maxage: Duration | None = Field(default=None, ge=1)
        """A reading older than this is unknown; none: ``[Factory] maxage``."""

        @field_validator("constraint")
        @classmethod
        def _expression(cls, value: str | None) -> str | None:
            return value if value is None else checked_expression(value)

        @field_validator("queueskey")
        @classmethod
        def _attribute(cls, value: str) -> str:
            if not ATTRIBUTE.fullmatch(value):
                raise ValueError(f"{value!r} is not an attribute name; write one, or ANY for all jobs")
            return value

    settings: Settings

    @abstractmethod
    def schedds(self) -> tuple[ScheddAddress, ...]:
        """Return the schedds whose jobs are added up."""

    def sources(self) -> tuple[Source, ...]:
        """Return one source per schedd: job counts, or job groups if the chain needs them."""
        return self._count_sources() if self.templates is None else self._group_sources(self.templates)

    def _group_sources(self, templates: tuple[Template, ...]) -> tuple[JobDemandSource, ...]:
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
        """Warn if all jobs are selected only because wmsqueue is missing. In AutoPyFactory such a queue had no work."""
        settings = self.settings
        if settings.constraint is None and settings.queueskey != ANY and self.queue.wmsqueue is None:
            text = (
                "is not set, so that all jobs of the schedd are this queue's work; set wmsqueue or "
                f"{self.key('constraint')}, or write wmsqueue = {ANY} if all jobs are meant"
            )
            yield Finding("warning", text, self.queue.name, "wmsqueue")

    def shares(self) -> frozenset[str]:
        """Return the names of the job selections per schedd; queues with an equal one share its jobs."""
        return frozenset(f"{self._selection() or 'all jobs'} of {schedd}" for schedd in self.schedds())

    def jobs(self) -> tuple[tuple[ScheddAddress, ...], str]:
        """Return the schedds and the constraint of the queue's jobs."""
        return self.schedds(), self._selection() or "true"

    def _selection(self) -> str | None:
        """Return the ClassAd expression that selects the queue's jobs; None: all jobs."""
        settings, wmsqueue = self.settings, self.queue.wmsqueue
        if settings.constraint is not None:
            return settings.constraint
        if settings.queueskey == ANY or wmsqueue in (None, ANY):
            return None
        return same_text(settings.queueskey, str(wmsqueue))

    def _count_sources(self) -> tuple[JobCountSource, ...]:
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
        """Return the jobs by state; partial if a schedd has no usable reading, unknown if none has."""
        if self.templates is not None:
            return self._read_groups(readings, self.templates)
        total: Counter[int] = Counter()
        missing: list[Unknown] = []
        for source in self._count_sources():
            counts = self._counts(readings, source)
            if isinstance(counts, Unknown):
                missing.append(counts)
            else:
                total.update(counts)
        reasons = "; ".join(unknown.reason for unknown in missing)
        if len(missing) == len(self.schedds()):
            return Unknown(reasons)

        return replace(_work_status(total), partial=reasons or None)

    def _read_groups(self, readings: Readings, templates: tuple[Template, ...]) -> WmsStatus | Unknown:
        """Return the jobs with their groups. Jobs of a missing schedd are unknown, so all free room counts as free."""
        sources = self._group_sources(templates)
        per_schedd = [self._demand(readings, source) for source in sources]
        demands = [rows for rows in per_schedd if isinstance(rows, Demand)]
        reasons = "; ".join(rows.reason for rows in per_schedd if isinstance(rows, Unknown))
        if not demands:
            return Unknown(reasons)
        slots_read = max(readings.by_key[source.key].started for source in sources if source.key in readings.by_key)
        demand = replace(
            join_demands(demands),
            partial=bool(reasons),
            leases=_vm_leases(readings, slots_read),
            update_s=self.factory.update_interval,
        )
        return replace(_with_groups(demand), partial=reasons or None)

    def _demand(self, readings: Readings, source: JobDemandSource) -> Demand | Unknown:
        """Return this queue's job groups in one schedd."""
        rows = readings.rows(source)
        if isinstance(rows, Unknown):
            return rows
        assert isinstance(rows, JobDemandRows)
        demand = rows.demand(self._selection())
        return Unknown(f"{source.key}: {demand.reason}") if isinstance(demand, Unknown) else demand

    def _counts(self, readings: Readings, source: JobCountSource) -> Mapping[int, int] | Unknown:
        """Return this queue's jobs in one schedd, by JobStatus."""
        rows = readings.rows(source)
        if isinstance(rows, Unknown):
            return rows
        assert isinstance(rows, JobCountRows)
        settings, wmsqueue = self.settings, self.queue.wmsqueue
        if settings.constraint is not None:
            counts = rows.by_constraint.get(settings.constraint, Unknown("this constraint is not polled yet"))
            return Unknown(f"{source.key}: {counts.reason}") if isinstance(counts, Unknown) else counts
        if settings.queueskey == ANY or wmsqueue in (None, ANY):
            return rows.total
        by_value = rows.by_attribute.get(settings.queueskey)
        if by_value is None:
            return Unknown(f"{source.key}: attribute {settings.queueskey} is not polled yet")
        return by_value.get(wmsqueue, {})

    def read_site(self, readings: Readings) -> SiteStatus | Unknown:
        """Return ``ok``: a schedd has no site status."""
        return SiteStatus("ok")


def _vm_leases(readings: Readings, slots_read: float) -> Mapping[str, VMLease] | None:
    """Return the leases by APFVM from the VM jobs; None if these were read so early that one may be missing."""
    for reading in readings.by_key.values():
        rows, late = reading.rows, slots_read - reading.started
        if isinstance(rows, VMJobRows) and late < _BOOTS_S and reading.usable(readings.now, readings.after) is None:
            return rows.leases
    return None


def _with_groups(demand: Demand) -> WmsStatus:
    counts = Counter(demand.others)
    counts[JobStatus.IDLE] = sum(group.count for group in demand.groups)
    return replace(_work_status(counts), demand=demand)


def _work_status(jobs: Mapping[int, int]) -> WmsStatus:
    """Return the work status of these jobs, which are counted by JobStatus."""

    def count(statuses: Iterable[JobStatus]) -> int:
        return sum(jobs.get(status, 0) for status in statuses)

    return WmsStatus(
        ready=count(READY), running=count(ON_MACHINE), done=count(FINISHED), failed=jobs.get(JobStatus.HELD, 0)
    )
