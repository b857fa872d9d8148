"""Source: jobs of a schedd, counted by state for each queue that wants to know."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from factory.condor.classad.expressions import checked_expression
from factory.condor.classad.values import value
from factory.condor.connect import open_schedd
from factory.model.address import ScheddAddress
from factory.model.job_status import JobStatus
from factory.model.source import Source
from factory.model.status import Unknown

QUEUE_ATTRIBUTE = "MATCH_APF_QUEUE"
"""The attribute that says which queue a job is for, unless a queue names another one."""

ON_STARTDS = (5, 10, 13)
"""Universes whose jobs run on startds: vanilla (docker and container too), java, vm."""
GRID = 9
"""The universe of what goes elsewhere: VM jobs, and jobs that a gridmanager takes to another place."""
_UNIVERSES = " || ".join(f"JobUniverse == {universe}" for universe in ON_STARTDS)
_WHICH = ("JobStatus", "JobUniverse", "Managed", "DeferralTime", "DeferralPrepTime")
"""What says whether a job counts."""
_PREPARES_S = 300
"""HTCondor's own default of DeferralPrepTime: so long before its time a deferred job is matched."""

JobCounts = Mapping[int, int]
"""Jobs by JobStatus."""


@dataclass(frozen=True)
class JobCountRows:
    """Jobs by JobStatus: all, by the value of each attribute asked for, and for each constraint."""

    total: JobCounts = field(default_factory=dict)
    by_attribute: Mapping[str, Mapping[str | None, JobCounts]] = field(default_factory=dict)
    """By attribute, then by its value; None: jobs without it."""
    by_constraint: Mapping[str, JobCounts | Unknown] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class JobCountSource(Source):
    """Jobs of one schedd that run on startds, counted.

    Not counted are VM jobs of any factory (grid universe), jobs that something else manages (such as the
    job router), and idle jobs that are deferred and whose time has not come.
    """

    schedd: ScheddAddress
    attributes: frozenset[str] = frozenset({QUEUE_ATTRIBUTE})
    """Attributes by whose values to count."""
    constraints: frozenset[str] = frozenset()
    """Further selections, as ClassAd expressions over the job ad."""

    @property
    def key(self) -> str:
        return f"jobs in {self.schedd}"

    @property
    def address(self) -> str:
        return str(self.schedd)

    def merge(self, other: JobCountSource) -> JobCountSource:
        """One poll for all: the attributes and constraints of both."""
        return replace(
            super().merge(other),
            attributes=self.attributes | other.attributes,
            constraints=self.constraints | other.constraints,
        )

    def fetch(self) -> JobCountRows:
        """One grouped query, and one for each constraint."""
        import htcondor2

        schedd, now = open_schedd(self.schedd), time.time()
        groups = schedd.query(projection=[*sorted(self.attributes), *_WHICH], opts=htcondor2.QueryOpts.GroupBy)
        return replace(
            fold_groups(groups, self.attributes, now),
            by_constraint={
                constraint: _count_where(schedd, constraint, now) for constraint in sorted(self.constraints)
            },
        )


def fold_groups(ads: Iterable[Mapping[str, Any]], attributes: Iterable[str], now: float) -> JobCountRows:
    """Counts from grouped ads, which carry a JobCount each; pure."""
    total: Counter[int] = Counter()
    by_attribute: dict[str, dict[str | None, Counter[int]]] = {name: {} for name in attributes}
    for ad in ads:
        if not is_demand(ad, now):
            continue
        status, jobs = int(ad["JobStatus"]), int(ad["JobCount"])
        total[status] += jobs
        for name, by_value in by_attribute.items():
            by_value.setdefault(_text(value(ad, name)), Counter())[status] += jobs
    return JobCountRows(total, by_attribute)


def is_demand(ad: Mapping[str, Any], now: float) -> bool:
    """Whether a job is work for startds that the schedd itself will give out by now; pure."""
    if _number(ad.get("JobUniverse"), 5) not in ON_STARTDS or value(ad, "Managed") == "External":
        return False
    starts = _number(ad.get("DeferralTime"), 0) - _number(ad.get("DeferralPrepTime"), _PREPARES_S)
    return int(ad["JobStatus"]) != JobStatus.IDLE or starts <= now


def _count_where(schedd: Any, constraint: str, now: float) -> JobCounts | Unknown:
    """Jobs that fit one constraint. A wrong one is the trouble of the queues that use it, and of no other."""
    try:
        ads = schedd.query(
            constraint=f"({checked_expression(constraint)}) && ({_UNIVERSES}) && APFVM =?= undefined",
            projection=list(_WHICH),
        )
    except ValueError as error:
        return Unknown(str(error))
    except Exception as error:  # noqa: BLE001  each version of the bindings raises something else
        return Unknown(f"constraint {constraint!r}: {' '.join(str(error).split())}")
    return Counter(int(ad["JobStatus"]) for ad in ads if is_demand(ad, now))


def _number(found: object, default: float) -> float:
    """A number of an ad; what is missing, or an expression that is not worth one, is the default."""
    return found if isinstance(found, int | float) else default


def _text(found: object) -> str | None:
    return str(found) if isinstance(found, str | int | float) else None
