"""Idle jobs of a schedd as job groups: exact counts, and one ad for each autocluster."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from factory.condor.classad.digest import short_digest
from factory.condor.classad.values import evaluated, has, value
from factory.condor.schedd.job_counts import GRID, ON_STARTDS, is_demand
from factory.model.demand import JobGroup, Room

GROUP_ATTRIBUTES = [
    "AutoClusterId",
    "JobStatus",
    "JobUniverse",
    "Owner",
    "AccountingGroup",
    "Managed",
    "LastRejMatchReason",
]
"""What tells groups apart that ask for the same."""
DEFERRAL_ATTRIBUTES = ["DeferralTime", "DeferralPrepTime"]
"""Asked for only where Requirements say that a job is deferred: each attribute costs 10 % of the time."""
REQUEST_ATTRIBUTES = [
    "RequestCpus",
    "RequestMemory",
    "RequestDisk",
    "RequestGPUs",
    "Requirements",
    "Rank",
    "ConcurrencyLimits",
]
"""What an autocluster has of its jobs, and must be asked of jobs that are in none."""
_IN_KEY = {"owner", "accountinggroup"}
_OF_QUERY = ("Id", "JobIds", "JobCount", "AutoClusterId", "ServerTime", "JobStatus", "LastRejMatchReason")
"""What a query adds, or what changes while the jobs ask for the same."""


@dataclass(frozen=True)
class IdleJobs:
    """Groups of one schedd, and the ad that stands for each group's jobs in matchmaking."""

    groups: tuple[JobGroup, ...] = ()
    ads: Mapping[str, Any] = field(default_factory=dict)
    """Group key → ``classad2.ClassAd``."""
    excluded: Mapping[str, int] = field(default_factory=dict)
    """Idle jobs that are no demand, by reason."""
    others: Mapping[int, int] = field(default_factory=dict)
    """Jobs that are not idle, by JobStatus."""


def strip_query_attributes(ad: Any) -> Any:
    """An ad of a query, without what the query adds."""
    for name in _OF_QUERY:
        if has(ad, name):
            del ad[name]
    return ad


def add_unmaterialised(schedd: str, found: IdleJobs, clusters: Iterable[Any]) -> IdleJobs:
    """The jobs that clusters have not made yet, beside those that ask for the same, or as groups of their own."""
    groups, ads = {group.key: group for group in found.groups}, dict(found.ads)
    alike = {(g.owner, g.accounting_group, g.ask, g.requirements): g.key for g in found.groups}
    for ad in clusters:
        number = _to_come(ad)
        if number <= 0 or permanent_exclusion(ad) is not None:
            continue
        owner, accounting = str(value(ad, "Owner", "")), str(value(ad, "AccountingGroup", ""))
        ask, problem = evaluate_request(ad)
        requirements = str(ad.lookup("Requirements")) if has(ad, "Requirements") else "true"
        key = alike.get((owner, accounting, ask, requirements))
        if key is None:
            kind = short_digest(f"{ask} {requirements}")
            key = alike[owner, accounting, ask, requirements] = f"{schedd}#late {kind}#{owner}#{accounting}"
            takes = _takes(ask, problem)
            groups[key] = JobGroup(key, ask, 0, owner, accounting, requirements, problem=problem, takes=takes)
            ads[key] = strip_query_attributes(_copy(ad))
        groups[key] = replace(groups[key], unmaterialised=groups[key].unmaterialised + number)
    return replace(found, groups=tuple(groups.values()), ads=ads)


def _to_come(ad: Mapping[str, Any]) -> int:
    """Jobs that a cluster will make unless it is paused, removed or at its end."""
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
    """Groups from the ads of the queries. Jobs that came between two queries count with the next poll.

    ``asked``: attributes that tell groups apart for machines, and that autoclusters do not have.
    """
    excluded: Counter[str] = Counter()
    groups: dict[str, JobGroup] = {}
    ads: dict[str, Any] = {}
    asks: dict[str, tuple[Room, str | None, str]] = {}
    for count in counts:
        reason = permanent_exclusion(count)
        if reason is not None and count.get("JobUniverse") != GRID:
            excluded[reason] += int(count["JobCount"])
    for count, ad, cluster in _rows(by_cluster, counts, late):
        number = int(count["JobCount"])
        if not is_demand(count, now):
            excluded["deferred"] += number
            continue
        owner, accounting = str(value(count, "Owner", "")), str(value(count, "AccountingGroup", ""))
        key, rejected = f"{schedd}#{cluster}#{owner}#{accounting}", _text(value(count, "LastRejMatchReason"))
        more = {name: count.lookup(name) for name in asked if has(count, name) and not has(ad, name)}
        telling = [f"{name} = {more[name]}" for name in sorted(more.keys() - _IN_KEY)]
        key += f"#{short_digest(str(telling))}" if telling else ""
        if key in groups:
            known = groups[key]
            groups[key] = replace(known, count=known.count + number, reject_reason=known.reject_reason or rejected)
            continue
        if cluster not in asks:
            asks[cluster] = (
                *evaluate_request(ad),
                str(ad.lookup("Requirements")) if has(ad, "Requirements") else "true",
            )
        ask, problem, requirements = asks[cluster]
        example = str(count.get("JobIds", "")).split(" ", 1)[0]
        groups[key] = JobGroup(
            key, ask, number, owner, accounting, requirements,
            example=example, problem=problem, reject_reason=rejected, takes=_takes(ask, problem),
            told=_told(count, ad, asked) if asked else (),
        )  # fmt: skip
        ads[key] = _with(ad, more)
    return IdleJobs(tuple(groups.values()), ads, excluded)


def _told(count: Any, ad: Any, asked: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """What these jobs say of attributes, by the row that counts them or by the ad that stands for them."""
    said = ((name, next((each for each in (count, ad) if has(each, name)), None)) for name in sorted(asked))
    return tuple((name.lower(), "undefined" if of is None else str(of.lookup(name))) for name, of in said)


def _copy(ad: Any) -> Any:
    import classad2

    copy = classad2.ClassAd()
    for name in ad:
        copy[name] = ad.lookup(name)
    return copy


def _with(ad: Any, more: Mapping[str, Any]) -> Any:
    """An ad and more attributes."""
    if not more:
        return ad
    copy = _copy(ad)
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
        own = strip_query_attributes(_copy(ad))  # another selection may have the row too
        for name in DEFERRAL_ATTRIBUTES:
            own.pop(name, None)
        yield count, own, f"new {short_digest(str(own))}"


def permanent_exclusion(ad: Mapping[str, Any]) -> str | None:
    """Why jobs are no work for startds, whenever."""
    if ad.get("JobUniverse", 5) not in ON_STARTDS:
        return "of a universe other than vanilla, java and vm"
    return "managed elsewhere (routed)" if value(ad, "Managed") == "External" else None


def exclusion_reason(ad: Mapping[str, Any], now: float) -> str | None:
    """Why an idle job is no work for startds now."""
    return permanent_exclusion(ad) or (None if is_demand(ad, now) else "deferred")


def rounded_request(ask: Room) -> Room:
    """What a startd makes of a request, by the defaults of MODIFY_REQUEST_EXPR_REQUEST…: 128 MiB, 1 MiB of disk, cores.

    What a startd is told instead stands in no ad. Where a slot has less than that left it gives what is asked for.
    """
    memory_mb, disk_kb = (
        max(step, math.ceil(n / step) * step) for n, step in ((ask.memory_mb, 128), (ask.disk_kb, 1024))
    )
    return Room(math.ceil(ask.cpus), memory_mb, disk_kb, ask.gpus)


def evaluate_request(ad: Any) -> tuple[Room, str | None]:
    """What one job asks for, and what of it can't be evaluated."""
    import classad2

    numbers = []
    for name, default in (("RequestCpus", 1), ("RequestMemory", 0), ("RequestDisk", 0), ("RequestGPUs", 0)):
        number = evaluated(ad, name, default)
        if isinstance(number, bool | classad2.Value) or not isinstance(number, int | float):
            return Room(), f"{name} = {ad.lookup(name)} can't be evaluated"
        numbers.append(max(0.0, float(number)))
    cpus, memory, disk, gpus = numbers
    return Room(max(1.0, cpus), memory, disk, gpus), None


def _takes(ask: Room, problem: str | None) -> Room | None:
    takes = ask if problem else rounded_request(ask)
    return None if takes == ask else takes


def _text(words: Any) -> str | None:
    return words.strip() if isinstance(words, str) else None
