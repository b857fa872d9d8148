"""Source: this factory's jobs that are not VM jobs, such as pilots, by queue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from factory.condor.classad.literals import same_text
from factory.condor.classad.values import number, value
from factory.condor.connect import open_schedd
from factory.model.address import ScheddAddress
from factory.model.source import Source
from factory.model.vm import JobId, PlainJob


def our_plain_jobs(owner: str, factory_id: str) -> str:
    """Return the constraint for plain jobs of this owner and factory (rule 10)."""
    return f"{same_text('Owner', owner)} && {same_text('APFFactory', factory_id)} && APFVM =?= undefined"


@dataclass(frozen=True)
class PilotRows:
    """Plain jobs of one factory, by queue."""

    jobs: Mapping[str, tuple[PlainJob, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PilotsSource(Source):
    """Plain jobs with this owner and factory id."""

    schedd: ScheddAddress
    owner: str
    factory_id: str

    @property
    def key(self) -> str:
        return f"pilots in {self.schedd}"

    @property
    def address(self) -> str:
        return str(self.schedd)

    def fetch(self) -> PilotRows:
        """Query the plain jobs of all queues at once."""
        ads = open_schedd(self.schedd).query(
            constraint=our_plain_jobs(self.owner, self.factory_id),
            projection=["APF_QUEUE", "ClusterId", "ProcId", "JobStatus", "QDate"],
        )
        return PilotRows(fold_jobs(ads))


def fold_jobs(ads: Iterable[Mapping[str, Any]]) -> dict[str, tuple[PlainJob, ...]]:
    """Return the jobs by queue; pure."""
    jobs: dict[str, list[PlainJob]] = defaultdict(list)
    for ad in ads:
        job = JobId(int(ad["ClusterId"]), int(ad["ProcId"]))
        submitted = number(value(ad, "QDate")) or 0.0
        jobs[str(value(ad, "APF_QUEUE", ""))].append(PlainJob(job, int(ad["JobStatus"]), submitted))
    return {queue: tuple(of_queue) for queue, of_queue in jobs.items()}
