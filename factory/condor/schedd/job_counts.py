"""Source: jobs of a schedd, counted by state and by queue."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from factory.condor.classad.expressions import checked_expression
from factory.condor.classad.guard import fold_each
from factory.condor.classad.values import has, number, value
from factory.condor.connect import open_schedd
from factory.model.address import ScheddAddress
from factory.model.job_status import JobStatus
from factory.model.source import Source
from factory.model.status import Unknown

QUEUE_ATTRIBUTE = "MATCH_APF_QUEUE"
"""Job attribute that names the job's queue, unless a queue configures another."""

ON_STARTDS = (5, 10, 13)
"""Universes whose jobs run on startds: vanilla (docker and container too), java, vm."""
GRID = 9
"""The grid universe: VM jobs, and jobs that a gridmanager sends elsewhere."""
_UNIVERSES = " || ".join(f"JobUniverse == {universe}" for universe in ON_STARTDS)
_PROJECTION = ("JobStatus", "JobUniverse", "Managed", "DeferralTime", "DeferralPrepTime")
"""Attributes that decide if a job counts."""
_PREPARES_S = 300
"""HTCondor's default of DeferralPrepTime: a deferred job is matched this long before its time."""

JobCounts = Mapping[int, int]
"""Number of jobs by JobStatus."""


@dataclass(frozen=True)
class JobCountRows:
    """Jobs by JobStatus: in total, by the value of each requested attribute, and for each constraint."""

    total: JobCounts = field(default_factory=dict)
    by_attribute: Mapping[str, Mapping[str | None, JobCounts]] = field(default_factory=dict)
    """By attribute, then by its value; None: jobs without it."""
    by_constraint: Mapping[str, JobCounts | Unknown] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    """Jobs that can't be read and are left out."""


@dataclass(frozen=True, kw_only=True)
class JobCountSource(Source):
    """Number of a schedd's jobs that run on startds.

    It leaves out VM jobs of any factory (grid universe), jobs that something else manages (such as the job router),
    and deferred idle jobs before their time.
    """

    schedd: ScheddAddress
    attributes: frozenset[str] = frozenset({QUEUE_ATTRIBUTE})
    """Attributes; jobs are counted by each value."""
    constraints: frozenset[str] = frozenset()
    """Further selections, as ClassAd expressions over the job ad."""

    @property
    def key(self) -> str:
        return f"jobs in {self.schedd}"

    @property
    def address(self) -> str:
        return str(self.schedd)

    def merge(self, other: JobCountSource) -> JobCountSource:
        """Return one source with the attributes and constraints of both."""
        return replace(
            super().merge(other),
            attributes=self.attributes | other.attributes,
            constraints=self.constraints | other.constraints,
        )

    def fetch(self) -> JobCountRows:
        """Run one grouped query, and one query for each constraint."""
        import htcondor2

        schedd, now = open_schedd(self.schedd), time.time()
        groups = schedd.query(projection=[*sorted(self.attributes), *_PROJECTION], opts=htcondor2.QueryOpts.GroupBy)
        counts = fold_groups(groups, self.attributes, now)
        problems = list(counts.problems)
        by_constraint = {each: _count_where(schedd, each, now, problems) for each in sorted(self.constraints)}
        return replace(counts, by_constraint=by_constraint, problems=tuple(problems))


def fold_groups(ads: Iterable[Mapping[str, Any]], attributes: Iterable[str], now: float) -> JobCountRows:
    """Return the counts from the rows of a grouped query, which have a JobCount each; pure."""
    total: Counter[int] = Counter()
    by_attribute: dict[str, dict[str | None, Counter[int]]] = {name: {} for name in attributes}
    problems: list[str] = []
    for ad, counts in fold_each(ads, lambda ad: (ad, is_demand(ad, now)), job_name, problems):
        if not counts:
            continue
        status, jobs = int(ad["JobStatus"]), int(ad["JobCount"])
        total[status] += jobs
        for name, by_value in by_attribute.items():
            by_value.setdefault(_group_name(value(ad, name)), Counter())[status] += jobs
    return JobCountRows(total, by_attribute, problems=tuple(problems))


def job_name(ad: Mapping[str, Any]) -> str:
    """Return the job of an ad, or the jobs of a row of a grouped query, in words for people."""
    of_row, more = str(value(ad, "JobIds", "")).split(), int(value(ad, "JobCount", 1)) - 1
    job = of_row[0] if of_row else f"{value(ad, 'ClusterId', '?')}.{value(ad, 'ProcId', '?')}"
    owner = f" of {value(ad, 'Owner')}" if has(ad, "Owner") else ""
    return f"job {job}{owner}" + (f" and {more} like it" if more > 0 else "")


def is_demand(ad: Mapping[str, Any], now: float) -> bool:
    """True if the schedd itself would run the job on a startd now; pure."""
    universe, prepares_s = value(ad, "JobUniverse", 5), number(value(ad, "DeferralPrepTime"))
    if (isinstance(universe, int | float) and universe not in ON_STARTDS) or value(ad, "Managed") == "External":
        return False
    starts = (number(value(ad, "DeferralTime")) or 0) - (_PREPARES_S if prepares_s is None else prepares_s)
    return int(ad["JobStatus"]) != JobStatus.IDLE or starts <= now


def _count_where(schedd: Any, constraint: str, now: float, problems: list[str]) -> JobCounts | Unknown:
    """Count the jobs of one constraint. A bad one is unknown for the queues that use it, and for no other (rule 14)."""
    try:
        ads = schedd.query(
            constraint=f"({checked_expression(constraint)}) && ({_UNIVERSES}) && APFVM =?= undefined",
            projection=list(_PROJECTION),
        )
    except ValueError as error:
        return Unknown(str(error))
    except Exception as error:  # noqa: BLE001  each version of the bindings raises another kind
        return Unknown(f"constraint {constraint!r}: {' '.join(str(error).split())}")
    counted = fold_each(ads, lambda ad: (int(ad["JobStatus"]), is_demand(ad, now)), job_name, problems)
    return Counter(status for status, counts in counted if counts)


def _group_name(result: object) -> str | None:
    """Return the value of an attribute as text; a number too, since ``wmsqueue`` may be one."""
    return str(result) if isinstance(result, str) or number(result) is not None else None
