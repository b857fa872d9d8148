"""Fold the idle jobs of a schedd into job groups: exact counts, and one ad for each autocluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from factory.condor.classad.digest import short_digest
from factory.condor.classad.guard import sign_and_refusal, why_refused
from factory.condor.classad.requests import JobRequest, read_job_request, rounded_request
from factory.condor.classad.syntax import MAX_LENGTH
from factory.condor.classad.values import copy_ad, has, text, value
from factory.condor.schedd.job_counts import GRID, ON_STARTDS, is_demand
from factory.model.demand import JobGroup, Room
from factory.model.matches import Matches
from factory.process.work_mark import work_mark

GROUP_ATTRIBUTES = [
    "AutoClusterId",
    "JobStatus",
    "JobUniverse",
    "Owner",
    "AccountingGroup",
    "Managed",
    "LastRejMatchReason",
]
"""Attributes that split groups of jobs in one autocluster, or decide if a group counts."""
DEFERRAL_ATTRIBUTES = ["DeferralTime", "DeferralPrepTime"]
"""Queried only if some Requirements mention deferral: each attribute costs 10 % of the query's time."""
REQUEST_ATTRIBUTES = [
    "RequestCpus",
    "RequestMemory",
    "RequestDisk",
    "RequestGPUs",
    "Requirements",
    "Rank",
    "ConcurrencyLimits",
]
"""Attributes that an autocluster has; they must be queried for jobs without an autocluster."""
_IN_KEY = {"owner", "accountinggroup"}
_OF_QUERY = ("Id", "JobIds", "JobCount", "AutoClusterId", "ServerTime", "JobStatus", "LastRejMatchReason")
"""Attributes that a query adds, or that change while the jobs ask for the same."""


@dataclass(frozen=True)
class IdleJobs:
    """Job groups of one schedd, and the ad that represents each group in matchmaking."""

    groups: tuple[JobGroup, ...] = ()
    ads: Mapping[str, Any] = field(default_factory=dict)
    """Group key → ``classad2.ClassAd``."""
    excluded: Mapping[str, int] = field(default_factory=dict)
    """Numbers of idle jobs that are not demand, by reason."""
    others: Mapping[int, int] = field(default_factory=dict)
    """Numbers of jobs that are not idle, by JobStatus."""


def strip_query_attributes(ad: Any) -> Any:
    """Delete the attributes that a query adds from its ad, and return it."""
    for name in _OF_QUERY:
        if has(ad, name):
            del ad[name]
    return ad


def add_unmaterialised(schedd: str, idle: IdleJobs, clusters: Iterable[Any]) -> IdleJobs:
    """Add the jobs that clusters have not materialised yet, to groups that ask for the same or to new ones."""
    groups, ads = {group.key: group for group in idle.groups}, dict(idle.ads)
    keys = {(g.owner, g.accounting_group, g.ask, g.requirements): g.key for g in idle.groups}
    for ad in clusters:
        jobs = jobs_to_come(ad)
        if jobs <= 0 or permanent_exclusion(ad) is not None:
            continue
        owner, accounting = str(value(ad, "Owner", "")), str(value(ad, "AccountingGroup", ""))
        refused, request = checked_request(ad)
        ask, requirements = request.ask, _requirements(ad)
        key = keys.get((owner, accounting, ask, requirements))
        if key is None:
            kind = short_digest(f"{ask} {requirements}")
            key = keys[owner, accounting, ask, requirements] = f"{schedd}#late {kind}#{owner}#{accounting}"
            groups[key] = JobGroup(
                key, ask, 0, owner, accounting, requirements,
                problem=request.problem, takes=_takes(request), refers=request.refers, custom=request.custom,
            )  # fmt: skip
            if not refused:
                ads[key] = strip_query_attributes(copy_ad(ad))
        groups[key] = replace(groups[key], unmaterialised=groups[key].unmaterialised + jobs)
    return replace(idle, groups=tuple(groups.values()), ads=ads)


def jobs_to_come(ad: Mapping[str, Any]) -> int:
    """Return the number of jobs that a cluster has still to materialise; 0 if it is paused."""
    if any(ad.get(name, 0) for name in ("JobMaterializePaused", "JobFactoryPaused")):
        return 0
    total = int(ad.get("TotalSubmitProcs", 0))
    return total - int(ad.get("JobMaterializeNextProcId", total))


def group_jobs(
    schedd: str,
    by_cluster: Mapping[int, Any],
    counts: Iterable[Mapping[str, Any]],
    late: Iterable[Mapping[str, Any]],
    now: float,
    asked: Collection[str] = (),
) -> IdleJobs:
    """Return the job groups from the rows of the queries. Jobs that came between two queries count in the next poll.

    ``by_cluster``: ads of autoclusters. ``counts``: rows of the grouped query. ``late``: rows of jobs without an
    autocluster. ``asked``: attributes that machines refer to; they split groups if the autocluster does not have them.
    """
    excluded: Counter[str] = Counter()
    groups: dict[str, JobGroup] = {}
    ads: dict[str, Any] = {}
    requests: dict[str, tuple[bool, JobRequest, str]] = {}
    for count in counts:
        reason = permanent_exclusion(count)
        if reason is not None and count.get("JobUniverse") != GRID:
            excluded[reason] += int(count["JobCount"])
    for count, ad, cluster in _rows(by_cluster, counts, late):
        jobs = int(count["JobCount"])
        if not is_demand(count, now):
            excluded["deferred"] += jobs
            continue
        owner, accounting = str(value(count, "Owner", "")), str(value(count, "AccountingGroup", ""))
        key, rejected = f"{schedd}#{cluster}#{owner}#{accounting}", text(value(count, "LastRejMatchReason"))
        more = {name: count.lookup(name) for name in asked if has(count, name) and not has(ad, name)}
        splitting = [f"{name} = {more[name]}" for name in sorted(more.keys() - _IN_KEY)]
        key += f"#{short_digest(str(splitting))}" if splitting else ""
        if key in groups:
            known = groups[key]
            groups[key] = replace(known, count=known.count + jobs, reject_reason=known.reject_reason or rejected)
            continue
        if cluster not in requests:
            requests[cluster] = *checked_request(ad), _requirements(ad)
        refused, request, requirements = requests[cluster]
        whole = _with(ad, more)
        if more and not refused and (why := why_refused(whole)) is not None:
            refused, request = True, _refused_request(why)
        example = str(count.get("JobIds", "")).split(" ", 1)[0]
        groups[key] = JobGroup(
            key, request.ask, jobs, owner, accounting, requirements,
            example=example, problem=request.problem, reject_reason=rejected, takes=_takes(request),
            referenced=_asked_values(count, ad, asked) if asked else (), refers=request.refers, custom=request.custom,
        )  # fmt: skip
        if not refused:
            ads[key] = whole
    return IdleJobs(tuple(groups.values()), ads, excluded)


def checked_request(ad: Any) -> tuple[bool, JobRequest]:
    """Return True if an ad may do harm and must not be evaluated; and the request of its job."""
    sign, why = sign_and_refusal(ad)
    if why is not None:
        return True, _refused_request(why)
    with work_mark().busy_with(sign):
        return False, read_job_request(ad)


def _refused_request(why: str) -> JobRequest:
    return JobRequest(Room(), f"it is not evaluated, because {why}")


def _requirements(ad: Any) -> str:
    return str(ad.lookup("Requirements"))[:MAX_LENGTH] if has(ad, "Requirements") else "true"


def _asked_values(count: Any, ad: Any, asked: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the expressions of the asked attributes, from the row that counts the jobs or from their ad."""
    holders = ((name, next((each for each in (count, ad) if has(each, name)), None)) for name in sorted(asked))
    return tuple((name.lower(), "undefined" if each is None else str(each.lookup(name))) for name, each in holders)


def _with(ad: Any, more: Mapping[str, Any]) -> Any:
    """Return the ad with more attributes, as a copy if there are any."""
    if not more:
        return ad
    copy = copy_ad(ad)
    for name, expression in more.items():
        copy[name] = expression
    return copy


def _rows(
    by_cluster: Mapping[int, Any], counts: Iterable[Mapping[str, Any]], late: Iterable[Any]
) -> Iterator[tuple[Any, Any, str]]:
    for count in counts:
        cluster = count.get("AutoClusterId")
        if isinstance(cluster, int) and cluster in by_cluster and permanent_exclusion(count) is None:
            yield count, by_cluster[cluster], str(cluster)
    for ad in late:
        count = {
            name: value(ad, name)
            for name in (*GROUP_ATTRIBUTES, *DEFERRAL_ATTRIBUTES, "JobIds", "JobCount")
            if has(ad, name)
        }
        own = strip_query_attributes(copy_ad(ad))  # the row may belong to another selection too
        for name in DEFERRAL_ATTRIBUTES:
            if has(own, name):
                del own[name]
        yield count, own, f"new {short_digest(str(own))}"


def permanent_exclusion(ad: Mapping[str, Any]) -> str | None:
    """Return why the schedd never runs these jobs on a startd; None if it may."""
    if ad.get("JobUniverse", 5) not in ON_STARTDS:
        return "in a universe other than vanilla, java and vm"
    return "managed outside the schedd (routed)" if value(ad, "Managed") == "External" else None


def exclusion_reason(ad: Mapping[str, Any], now: float) -> str | None:
    """Return why an idle job is not demand now; None if it is."""
    return permanent_exclusion(ad) or (None if is_demand(ad, now) else "deferred")


def with_requests(groups: Iterable[JobGroup], *tables: Matches) -> tuple[JobGroup, ...]:
    """Return the groups, those marked whose request depends on the machine."""
    rows = {id(row): row for table in tables for row in table.rows().values()}  # by id: to hash them would take long
    asks = {i for i, row in rows.items() if any(match.ask is not None for match in row)}
    if not asks:
        return tuple(groups)
    return tuple(
        replace(group, takes=None, problem=None, varies=True)
        if any(id(table.row(group.key)) in asks for table in tables)
        else group
        for group in groups
    )


def _takes(request: JobRequest) -> Room | None:
    takes = request.ask if request.problem else rounded_request(request.ask)
    return None if takes == request.ask else takes
