"""Query the idle jobs of a schedd, for all queues that read it. The number of queries does not grow with the queues.

The query by autocluster is fast and has the expressions, but its counts include held jobs. The grouped query has exact
counts and no expressions. Joined by AutoClusterId they give both. Jobs get an AutoClusterId when the schedd negotiates,
which it does not while the pool has no slot; until then they need a slower grouped query.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from factory.condor.classad.digest import short_digest
from factory.condor.classad.guard import fold_each, is_readable
from factory.condor.classad.references import references
from factory.condor.classad.values import has, needed_number
from factory.condor.schedd.job_counts import ON_STARTDS, is_demand, job_name
from factory.condor.schedd.job_groups import (
    DEFERRAL_ATTRIBUTES,
    GROUP_ATTRIBUTES,
    REQUEST_ATTRIBUTES,
    IdleJobs,
    add_unmaterialised,
    group_jobs,
    jobs_to_come,
    permanent_exclusion,
    strip_query_attributes,
)
from factory.condor.schedd.selections import Selection, group_by_references, split_rows, union_constraint
from factory.model.job_status import JobStatus
from factory.model.status import Unknown

_ON_STARTDS = f'member(JobUniverse, {{{", ".join(map(str, ON_STARTDS))}}}) && Managed =!= "External"'
_LATE = f"JobStatus == 1 && AutoClusterId =?= undefined && {_ON_STARTDS}"
_FACTORIES = "JobMaterializeDigestFile =!= undefined && ProcId =?= undefined"

_TRIES = 3
_seen_references: dict[str, frozenset[str]] = {}
"""By schedd and query: job attributes that the jobs' expressions refer to; kept in the worker."""


@dataclass(frozen=True)
class ScheddQueue:
    """The job queue of a schedd, open for queries."""

    schedd: Any
    """``htcondor2.Schedd``."""
    name: str
    """Name of the schedd, for keys of job groups."""
    problems: list[str] = field(default_factory=list)
    """Jobs that can't be read and are left out, as far as queried."""

    def autoclusters(self) -> dict[int, Any]:
        """Return the ads of all autoclusters by id, without attributes that change from poll to poll."""
        import htcondor2

        ads = self.schedd.query(opts=htcondor2.QueryOpts.AutoCluster)
        return dict(fold_each(ads, _numbered, job_name, self.problems))

    def idle_jobs(
        self,
        selections: Iterable[Selection],
        by_cluster: Mapping[int, Any],
        asked: Collection[str],
        now: float,
        *,
        late_made: bool = False,
    ) -> dict[Selection, IdleJobs | Unknown]:
        """Return the idle jobs of each selection, with the numbers of its other jobs.

        ``by_cluster``: ads of autoclusters. ``asked``: attributes that machines refer to. ``late_made``: some jobs may
        not be materialised yet, which takes one more query.
        """
        sets, wrong = group_by_references(selections)
        jobs: dict[Selection, IdleJobs | Unknown] = {selection: Unknown(why) for selection, why in wrong.items()}
        for names, of_set in sets.items():
            jobs.update(self._idle_jobs(of_set, names, by_cluster, asked, now, late_made=late_made))
        return jobs

    def _idle_jobs(
        self,
        selections: Sequence[Selection],
        names: Sequence[str],
        by_cluster: Mapping[int, Any],
        asked: Collection[str],
        now: float,
        *,
        late_made: bool,
    ) -> dict[Selection, IdleJobs]:
        """Return the idle jobs of selections that refer to the same attributes, ``names``.

        Jobs that enter an autocluster between two queries are in neither of them; all queries are then repeated.
        """
        constraint = union_constraint(selections)
        for _ in range(_TRIES):
            by_cluster, counts, late, more = self._counted(names, constraint, by_cluster, asked)
            if _jobs(late) >= _jobs(ad for ad in counts if _is_late(ad)):
                break
        factories = self._factories(constraint) if late_made else []
        rows, late_rows, to_come = (split_rows(ads, selections) for ads in (counts, late, factories))
        return {
            selection: self._of(
                selection, by_cluster, rows[selection], late_rows[selection], to_come[selection], now, [*asked, *more]
            )
            for selection in selections
        }

    def _counted(
        self, names: Sequence[str], constraint: str, by_cluster: Mapping[int, Any], asked: Collection[str]
    ) -> tuple[Mapping[int, Any], list[Any], list[Any], frozenset[str]]:
        """Return autoclusters, rows of counts, rows of jobs without an autocluster, and references of ``asked``."""
        unknown = _not_in_all(asked, by_cluster)
        which = [*GROUP_ATTRIBUTES, *names, *unknown]
        requirements = (str(ad.lookup("Requirements")) for ad in by_cluster.values() if has(ad, "Requirements"))
        if any("HasJobDeferral" in text for text in requirements):
            which += DEFERRAL_ATTRIBUTES
        counts, more = self._grouped(f"counts {names}", constraint, which, unknown)
        if any(ad.get("AutoClusterId", -1) not in by_cluster for ad in counts if has(ad, "AutoClusterId")):
            by_cluster = self.autoclusters()  # some are new
        late: list[Any] = []
        if any(map(_is_late, counts)):
            which_late = [*which, *asked, *DEFERRAL_ATTRIBUTES, *REQUEST_ATTRIBUTES]
            late, _ = self._grouped(
                f"late {names}", f"({constraint}) && {_LATE}", which_late, [*REQUEST_ATTRIBUTES, *asked]
            )
        return by_cluster, counts, late, more

    def _of(
        self,
        selection: Selection,
        by_cluster: Mapping[int, Any],
        counts: Sequence[Any],
        late: Sequence[Any],
        to_come: Sequence[Any],
        now: float,
        asked: Collection[str],
    ) -> IdleJobs:
        idle = [ad for ad in counts if ad["JobStatus"] == JobStatus.IDLE]
        # Equal jobs of two selections are two groups.
        name = f"{self.name} {short_digest(selection)}" if selection else self.name
        jobs = group_jobs(name, by_cluster, idle, late, now, asked)
        others = Counter[int]()
        for ad in counts:
            if ad["JobStatus"] != JobStatus.IDLE and is_demand(ad, now):
                others[int(ad["JobStatus"])] += int(ad["JobCount"])
        return replace(add_unmaterialised(name, jobs, to_come) if to_come else jobs, others=others)

    def _grouped(
        self, query: str, constraint: str, which: Collection[str], expressions: Collection[str]
    ) -> tuple[list[Any], frozenset[str]]:
        """Return jobs grouped by attributes ``which`` and by what ``expressions`` refer to, and these references."""
        import htcondor2

        key = f"{self.name} {query}"
        while True:
            more = _seen_references.get(key, frozenset()) if expressions else frozenset()
            projection = {attribute.lower() for attribute in (*which, *more)}
            opts = htcondor2.QueryOpts.GroupBy
            ads = self.schedd.query(constraint=constraint, projection=sorted(projection), opts=opts)
            texts = {str(ad.lookup(attribute)) for ad in ads for attribute in expressions if has(ad, attribute)}
            missing = {attribute.lower() for attribute in references(filter(is_readable, texts))} - projection
            if not missing:
                return list(fold_each(ads, _sound, job_name, self.problems)), more
            _seen_references[key] = more | missing

    def _factories(self, constraint: str) -> list[Any]:
        """Return the ads of clusters that materialise their jobs late."""
        import htcondor2

        opts = htcondor2.QueryOpts.IncludeClusterAd
        ads = self.schedd.query(constraint=f"({constraint}) && {_FACTORIES}", opts=opts)
        return [ad for ad, _ in fold_each(ads, lambda ad: (ad, jobs_to_come(ad)), job_name, self.problems)]


def _numbered(ad: Any) -> tuple[int, Any]:
    return int(ad["AutoClusterId"]), strip_query_attributes(ad)


def _sound(ad: Any) -> Any:
    """Return a row of a grouped query whose numbers can be read.

    Raises:
        KeyError, ValueError: one can't.
    """
    for name in ("JobStatus", "JobCount"):
        if not has(ad, name):
            raise KeyError(name)
    for name in ("JobStatus", "JobCount", "AutoClusterId", "JobUniverse"):
        needed_number(ad, name)
    is_demand(ad, 0)
    return ad


def _is_late(ad: Any) -> bool:
    """True if the row counts idle jobs without an autocluster."""
    return ad["JobStatus"] == JobStatus.IDLE and not has(ad, "AutoClusterId") and permanent_exclusion(ad) is None


def _jobs(ads: Iterable[Any]) -> int:
    return sum(int(ad["JobCount"]) for ad in ads)


def _not_in_all(asked: Collection[str], by_cluster: Mapping[int, Any]) -> list[str]:
    """Return the attributes that do not split all autoclusters.

    The schedd splits by what machines referred to when it last negotiated, and for one job also by what its own
    expressions refer to. Other jobs with that attribute can share an autocluster although its value differs.
    """
    return [name for name in asked if not by_cluster or not all(has(ad, name) for ad in by_cluster.values())]
