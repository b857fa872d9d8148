"""Source: the plain jobs of this factory, such as pilots, by queue and state."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from factory.condor.daemons import ScheddAddress, quoted
from factory.model import JobId, PlainJob
from factory.source import Source


def ours(owner: str, factory_id: str) -> str:
    """Constraint over job ads: plain jobs of this owner and factory (rule 10)."""
    return f"Owner == {quoted(owner)} && APFFactory == {quoted(factory_id)} && APFVM =?= undefined"


@dataclass(frozen=True)
class PilotRows:
    """Plain jobs of one factory by queue and JobStatus, and one by one for the queues that want that."""

    counts: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    jobs: Mapping[str, tuple[PlainJob, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PilotsSource(Source):
    """Plain jobs with this owner and factory id."""

    schedd: ScheddAddress
    owner: str
    factory_id: str
    one_by_one: frozenset[str] = frozenset()
    """Queues that may have to choose jobs to remove."""

    @property
    def key(self) -> str:
        return f"pilots in {self.schedd}"

    @property
    def address(self) -> str:
        return str(self.schedd)

    def merge(self, other: PilotsSource) -> PilotsSource:
        """One poll for all."""
        return replace(super().merge(other), one_by_one=self.one_by_one | other.one_by_one)

    def fetch(self) -> PilotRows:
        """One grouped query, and one for the queues that want single jobs."""
        import htcondor2

        schedd = self.schedd.open()
        mine = ours(self.owner, self.factory_id)
        # A constraint on a grouped query is evaluated on the group: what it names must be in the projection.
        groups = schedd.query(
            constraint=mine,
            projection=["APF_QUEUE", "JobStatus", "Owner", "APFFactory", "APFVM"],
            opts=htcondor2.QueryOpts.GroupBy,
        )
        jobs: list[Mapping[str, Any]] = []
        if self.one_by_one:
            names = "{" + ", ".join(quoted(name) for name in sorted(self.one_by_one)) + "}"
            jobs = schedd.query(
                constraint=f"{mine} && member(APF_QUEUE, {names})",
                projection=["APF_QUEUE", "ClusterId", "ProcId", "JobStatus", "QDate"],
            )
        return PilotRows(fold_counts(groups), fold_jobs(jobs))


def fold_counts(ads: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[int, int]]:
    """Jobs by queue and JobStatus from grouped ads, which carry a JobCount each; pure."""
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for ad in ads:
        counts[str(ad.get("APF_QUEUE", ""))][int(ad["JobStatus"])] += int(ad["JobCount"])
    return dict(counts)


def fold_jobs(ads: Iterable[Mapping[str, Any]]) -> dict[str, tuple[PlainJob, ...]]:
    """Jobs by queue; pure."""
    jobs: dict[str, list[PlainJob]] = defaultdict(list)
    for ad in ads:
        job = PlainJob(JobId(int(ad["ClusterId"]), int(ad["ProcId"])), int(ad["JobStatus"]), float(ad["QDate"]))
        jobs[str(ad.get("APF_QUEUE", ""))].append(job)
    return {queue: tuple(of_queue) for queue, of_queue in jobs.items()}
