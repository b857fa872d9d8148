"""Source: jobs of a schedd, counted by state for each queue that wants to know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from factory.condor.daemons import ScheddAddress
from factory.source import Source

_ON_STARTDS = (5, 10, 13)
"""Universes whose jobs run on startds: vanilla (docker and container too), java, vm."""

Counts = Mapping[int, int]
"""Jobs by JobStatus."""


@dataclass(frozen=True)
class DemandRows:
    """Jobs by JobStatus, for each value of MATCH_APF_QUEUE and for each constraint. VM jobs never count."""

    by_queue: Mapping[str | None, Counts] = field(default_factory=dict)
    """None: jobs without MATCH_APF_QUEUE."""
    by_constraint: Mapping[str, Counts] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DemandSource(Source):
    """Jobs of one schedd that run on startds, counted."""

    schedd: ScheddAddress
    constraints: frozenset[str] = frozenset()
    """Further selections, as ClassAd expressions over the job ad."""

    @property
    def key(self) -> str:
        return f"jobs in {self.schedd}"

    @property
    def address(self) -> str:
        return str(self.schedd)

    def merge(self, other: DemandSource) -> DemandSource:
        """One poll for all: the constraints of both."""
        return replace(super().merge(other), constraints=self.constraints | other.constraints)

    def fetch(self) -> DemandRows:
        """One grouped query, and one for each constraint."""
        import htcondor2

        schedd = self.schedd.open()
        groups = schedd.query(
            projection=["MATCH_APF_QUEUE", "JobStatus", "JobUniverse"], opts=htcondor2.QueryOpts.GroupBy
        )
        by_constraint = {}
        for constraint in sorted(self.constraints):
            ads = schedd.query(
                constraint=f"({constraint}) && APFVM =?= undefined", projection=["JobStatus", "JobUniverse"]
            )
            by_constraint[constraint] = _count(ads)
        return DemandRows(by_queue=fold_groups(groups), by_constraint=by_constraint)


def fold_groups(ads: Iterable[Mapping[str, Any]]) -> dict[str | None, Counts]:
    """Counts by queue from grouped ads, which carry a JobCount each; pure."""
    by_queue: dict[str | None, Counter[int]] = {}
    for ad in ads:
        if int(ad.get("JobUniverse", 5)) in _ON_STARTDS:
            queue = ad.get("MATCH_APF_QUEUE")
            counts = by_queue.setdefault(queue if isinstance(queue, str) else None, Counter())
            counts[int(ad["JobStatus"])] += int(ad["JobCount"])
    return dict(by_queue)


def _count(ads: Iterable[Mapping[str, Any]]) -> Counts:
    return Counter(int(ad["JobStatus"]) for ad in ads if int(ad.get("JobUniverse", 5)) in _ON_STARTDS)
