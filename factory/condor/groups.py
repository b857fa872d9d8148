"""Idle jobs of a schedd as job groups, grouped by the server: exact counts, one ad for each autocluster.

The query by autocluster is fast and has the expressions, but its counts include held jobs; the grouped query has exact
counts and no expressions. Joined by AutoClusterId they give both (DESIGN section 8). Jobs that have no
AutoClusterId yet, because the schedd has not negotiated since they came, take a slower grouped query.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from factory.condor.daemons import ScheddAddress
from factory.fit.model import JobGroup, Room

ON_STARTDS = (5, 10, 13)
"""Universes whose jobs run on startds: vanilla (docker and container too), java, vm."""

_WHO = [
    "AutoClusterId",
    "JobStatus",
    "JobUniverse",
    "Owner",
    "AcctGroup",
    "Managed",
    "DeferralTime",
    "ConcurrencyLimits",
]
_ASKS = ["RequestCpus", "RequestMemory", "RequestDisk", "RequestGPUs", "Requirements"]


@dataclass(frozen=True)
class IdleJobs:
    """Groups of one schedd, and the ad that stands for each group's jobs in matchmaking."""

    groups: tuple[JobGroup, ...]
    ads: Mapping[str, Any]
    """Group key → ``classad2.ClassAd``."""
    excluded: Counter[str]
    """Idle jobs that are no demand, by reason."""


def idle_jobs(address: ScheddAddress, selection: str | None) -> IdleJobs:
    """The idle jobs of one schedd that fit ``selection``, a ClassAd expression over the job ad."""
    import htcondor2

    schedd = address.open()
    wanted = f"({selection}) && " if selection else ""
    refers_to = _references(selection) if selection else []
    by_cluster = {int(ad["AutoClusterId"]): ad for ad in schedd.query(opts=htcondor2.QueryOpts.AutoCluster)}
    counts = schedd.query(
        constraint=f"{wanted}JobStatus == 1",
        projection=[*_WHO, *refers_to],
        opts=htcondor2.QueryOpts.GroupBy,
    )
    late: list[Any] = []
    if any("AutoClusterId" not in ad or int(ad["AutoClusterId"]) not in by_cluster for ad in counts):
        late = schedd.query(
            constraint=f"{wanted}JobStatus == 1 && AutoClusterId =?= undefined",
            projection=[*_WHO, *refers_to, *_ASKS],
            opts=htcondor2.QueryOpts.GroupBy,
        )
    return fold(str(address), by_cluster, counts, late)


def _references(expression: str) -> list[str]:
    """Attributes of the job that an expression names: a constraint on groups is evaluated on the group."""
    import classad2

    names = classad2.ClassAd().externalRefs(classad2.ExprTree(expression))
    return [name.split(".", 1)[1] if name.upper().startswith("MY.") else name for name in names]


def fold(
    schedd: str, by_cluster: Mapping[int, Any], counts: Iterable[Mapping[str, Any]], late: Iterable[Mapping[str, Any]]
) -> IdleJobs:
    """Groups from the ads of the queries."""
    excluded: Counter[str] = Counter()
    groups: list[JobGroup] = []
    ads: dict[str, Any] = {}
    for count, ad, cluster in _rows(by_cluster, counts, late):
        number = int(count["JobCount"])
        reason = _no_demand(count)
        if reason is not None:
            excluded[reason] += number
            continue
        owner, accounting = str(count.get("Owner", "")), str(count.get("AcctGroup", ""))
        key = f"{schedd}#{cluster}#{owner}#{accounting}"
        while key in ads:  # the grouped query tells apart more than the key does
            key += "'"
        ask, problem = evaluate_ask(ad)
        groups.append(
            JobGroup(
                key=key,
                ask=ask,
                count=number,
                owner=owner,
                accounting_group=accounting,
                requirements=str(ad.lookup("Requirements")) if "Requirements" in ad else "true",
                example=str(count.get("JobIds", "")).split(" ", 1)[0],
                problem=problem,
                reject_reason=_text(ad.get("LastRejMatchReason")),
            )
        )
        ads[key] = ad
    return IdleJobs(tuple(groups), ads, excluded)


def _rows(
    by_cluster: Mapping[int, Any], counts: Iterable[Mapping[str, Any]], late: Iterable[Any]
) -> Iterator[tuple[Any, Any, str]]:
    for count in counts:
        cluster = count.get("AutoClusterId")
        if isinstance(cluster, int) and cluster in by_cluster:
            yield count, by_cluster[cluster], str(cluster)
    for ad in late:
        asks = " ".join(str(ad.lookup(name)) for name in _ASKS if name in ad)
        yield ad, ad, "new " + hashlib.sha256(asks.encode()).hexdigest()[:12]


def _no_demand(ad: Mapping[str, Any]) -> str | None:
    if int(ad.get("JobUniverse", 5)) not in ON_STARTDS:
        return "universe that does not run on startds"
    if ad.get("Managed") == "External":
        return "managed elsewhere (routed)"
    if ad.get("DeferralTime") is not None:
        return "deferred"
    return None


def evaluate_ask(ad: Any) -> tuple[Room, str | None]:
    """What one job asks for, and what of it can't be evaluated."""
    numbers = {}
    for name, default in (("RequestCpus", 1), ("RequestMemory", 0), ("RequestDisk", 0), ("RequestGPUs", 0)):
        value = ad.eval(name) if name in ad else default
        if isinstance(value, bool) or not isinstance(value, int | float):
            return Room(), f"{name} = {ad.lookup(name)} can't be evaluated"
        numbers[name] = max(0.0, float(value))
    return Room(max(1.0, numbers["RequestCpus"]), *list(numbers.values())[1:]), None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
