"""Limits of the negotiator that are independent of free slots: concurrency limits, quotas, ceilings.

Two HTCondor tools ask the negotiator while the worker does other work. They are given up after a few seconds, because
a negotiator answers nothing during a cycle; its last answer then holds for ten minutes. An unknown limit limits
nothing. The negotiator is asked after the jobs are counted: a job that starts in between is missed, not counted twice.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from factory.condor.classad.guard import busy_with
from factory.condor.classad.values import evaluated, has, parse_number
from factory.condor.connect import open_collector
from factory.model.address import PoolAddress
from factory.model.demand import JobGroup, Limit
from factory.process.clock import steady

PATIENCE_S = 3.0
"""Longest wait for a negotiator. One that takes longer is in a cycle, perhaps because a schedd hangs."""
_BELIEVED_S = 600
"""The last answer is used for this long when the negotiator does not answer."""
_ROOT = "<none>"
"""The group of submitters without an accounting group."""
_NUMBERED = re.compile(r"(\w+?)(\d*) = (.*)")
_TEXT = re.compile(r'"[^"\\]*"')
"""A plain text, which nothing has to evaluate."""


@dataclass(frozen=True)
class NegotiatorLimits:
    """Limits of one negotiator, with their use. Names are in lower case."""

    ceilings: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Submitter without domain → ceiling and use."""
    quotas: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Accounting group → quota, and use by it and its subgroups; only groups that accept no surplus."""
    shares: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Accounting group whose quota is a part of the pool (``GROUP_QUOTA_DYNAMIC``) → quota now, and use."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """The part of its configuration that can set concurrency limits."""
    in_use: Mapping[str, float] = field(default_factory=dict)
    """Concurrency limit → use by the jobs on all slots."""


_last: dict[str, tuple[float, NegotiatorLimits]] = {}
"""By pool: time (steady) and content of the last answer; kept in the worker."""


class NegotiatorQuery:
    """A running query of the negotiator of a pool."""

    def __init__(self, pool: PoolAddress, jobs: Iterable[Any]) -> None:
        """Start the query. ``jobs``: ads of waiting jobs; without any, nothing is asked."""
        self._pool = pool
        waiting = limited = False
        for ad in jobs:
            waiting, limited = True, limited or has(ad, "ConcurrencyLimits")
        self._usage = self._start("condor_userprio", "-allusers", "-long") if waiting else None
        config = ("condor_config_val", "-negotiator", "-expanded", "-dump", "LIMIT")
        self._config = self._start(*config) if limited else None

    def _start(self, *argv: str) -> subprocess.Popen[str] | None:
        where = {} if self._pool.collector is None else {"_CONDOR_COLLECTOR_HOST": self._pool.collector}
        try:
            return subprocess.Popen(
                argv, env={**os.environ, **where}, text=True, errors="backslashreplace",
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        except OSError:
            return None

    def answer(self, patience_s: float = PATIENCE_S) -> NegotiatorLimits:
        """Return the limits; without an answer in time, the last ones if they are recent, else none."""
        deadline = time.monotonic() + patience_s
        usage, config = _output(self._usage, deadline), _output(self._config, deadline)
        if usage is not None and (config is not None or self._config is None):
            limits = parse_negotiator_limits(usage, config or "")
            if self._config is not None:
                limits = replace(limits, in_use=concurrency_in_use(self._pool))
            _last[str(self._pool)] = (steady(), limits)
            return limits
        answered, last = _last.get(str(self._pool), (0.0, NegotiatorLimits()))
        return last if self._usage is not None and steady() - answered < _BELIEVED_S else NegotiatorLimits()


def _output(child: subprocess.Popen[str] | None, deadline: float) -> str | None:
    """Return the output of a tool; None if it failed or took too long, and then it is killed."""
    if child is None:
        return None
    try:
        output = child.communicate(timeout=max(0.0, deadline - time.monotonic()))[0]
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return None
    return output if child.returncode == 0 else None


def parse_negotiator_limits(usage: str, config: str) -> NegotiatorLimits:
    """Parse the output of ``condor_userprio -allusers -long`` and ``condor_config_val -dump``; pure.

    HTCondor 23 prints one ad with numbered attributes, HTCondor 25 one ad for each submitter.
    """
    rows: dict[tuple[int, str], dict[str, str]] = defaultdict(dict)
    for i, block in enumerate(usage.split("\n\n")):
        for match in filter(None, map(_NUMBERED.fullmatch, block.splitlines())):
            rows[i, match[2]][match[1]] = match[3].strip('"')
    ceilings, quotas, shares = {}, {}, {}
    for row in rows.values():
        name = row.get("Name", "").lower()
        used = parse_number(row.get("WeightedResourcesUsed")) or 0.0
        ceiling, quota = parse_number(row.get("Ceiling")), parse_number(row.get("ConfigQuota"))
        if row.get("IsAccountingGroup") == "true":
            used = max(used, parse_number(row.get("HierWeightedResourcesUsed")) or 0.0)
            now = parse_number(row.get("EffectiveQuota"))
            if name == _ROOT or row.get("SurplusPolicy") != "no" or quota is None:
                continue
            if not 0 < quota <= 1:
                quotas[name] = (quota, used)
            elif now is not None:  # it is a part of the pool, and the pool grows
                shares[name] = (now, used)
        elif ceiling is not None and ceiling >= 0:
            ceilings[name.rpartition("@")[0] or name] = (ceiling, used)
    pairs = (line.split(" = ", 1) for line in config.splitlines() if " = " in line and not line.startswith("#"))
    return NegotiatorLimits(ceilings, quotas, shares, {name.strip().lower(): value.strip() for name, value in pairs})


def concurrency_in_use(pool: PoolAddress) -> dict[str, float]:
    """Return the use of each concurrency limit by the jobs on all slots, as the negotiator counts it."""
    import htcondor2

    used: dict[str, float] = defaultdict(float)
    for ad in open_collector(pool).query(
        htcondor2.AdType.Startd, constraint="ConcurrencyLimits =!= undefined", projection=["ConcurrencyLimits"]
    ):
        for name, weight in parse_concurrency_limits(evaluated(ad, "ConcurrencyLimits")):
            used[name] += weight
    return dict(used)


def parse_concurrency_limits(limits: object) -> Iterator[tuple[str, float]]:
    """Yield the concurrency limits of a job and its use of each, from a text such as ``licence, tape:2``."""
    for word in re.split(r"[\s,]+", limits.strip().lower()) if isinstance(limits, str) else ():
        name, _, weight = word.partition(":")
        number = parse_number(weight) or 1.0
        if name:
            yield name, number if number > 0 else 1.0


def find_limits(groups: Iterable[JobGroup], ads: Mapping[str, Any], known: NegotiatorLimits) -> tuple[Limit, ...]:
    """Return the limits that apply to these groups. ``ads``: the ad that represents each group, by group key.

    A job to come is counted in cores, the default of SLOT_WEIGHT. Use is in the pool's own slot weights.
    """
    by_limit: dict[tuple[str, str, float, bool, bool], dict[str, float]] = defaultdict(dict)
    for group in groups:
        if group.problem is not None:
            continue
        for each in _of_group(group, ads[group.key], known):
            weights = by_limit[each.of, each.use, each.left, each.strict, each.grows]
            weights[group.key] = weights.get(group.key, 0) + each.weight
    return tuple(
        Limit(f"{limit}, {use}", left, weights, strict, limit, grows)
        for (limit, use, left, strict, grows), weights in by_limit.items()
    )


@dataclass(frozen=True)
class _LimitOfGroup:
    of: str
    use: str
    left: float
    weight: float
    """Amount that one job takes."""
    strict: bool = False
    grows: bool = False


def _of_group(group: JobGroup, ad: Any, known: NegotiatorLimits) -> Iterator[_LimitOfGroup]:
    submitter, cores = (group.accounting_group or group.owner).lower(), (group.takes or group.ask).cpus
    if submitter in known.ceilings:
        ceiling, used = known.ceilings[submitter]
        yield _LimitOfGroup(f"ceiling of {submitter}", f"{used:g} of {ceiling:g} cores in use", ceiling - used, cores)
    for name in _parent_groups(submitter if group.accounting_group else ""):
        if name in known.quotas:
            quota, used = known.quotas[name]
            yield _LimitOfGroup(f"quota of {name}", f"{used:g} of {quota:g} cores in use", quota - used, cores)
        quota, used = known.shares.get(name, (math.inf, 0.0))
        if used + cores > quota:
            use = f"{used:g} of {quota:g} cores in use"
            yield _LimitOfGroup(f"quota of {name}", use, math.inf, cores, grows=True)
    plain = not has(ad, "ConcurrencyLimits") or _TEXT.fullmatch(str(ad.lookup("ConcurrencyLimits"))) is not None
    with contextlib.nullcontext() if plain else busy_with(ad):
        wanted = evaluated(ad, "ConcurrencyLimits")
    for name, weight in parse_concurrency_limits(wanted):
        maximum = concurrency_maximum(name, known.settings)
        if maximum is not None:
            used = known.in_use.get(name, 0.0)
            use = f"{used:g} of {maximum:g} in use"
            yield _LimitOfGroup(f"concurrency limit {name}", use, maximum - used, weight, strict=True)


def _parent_groups(submitter: str) -> Iterator[str]:
    """Yield the accounting groups that a submitter can belong to, from the narrowest to the widest."""
    name = submitter.rpartition(".")[0]
    while name:
        yield name
        name = name.rpartition(".")[0]


def concurrency_maximum(limit: str, settings: Mapping[str, str]) -> float | None:
    """Return the maximum of a concurrency limit in the negotiator's configuration; None if it is unknown."""
    scope = limit.rpartition(".")[0]
    names = [f"{limit}_limit", *([f"concurrency_limit_default_{scope}"] if scope else ()), "concurrency_limit_default"]
    for name in names:
        for key in (f"negotiator.{name}", name):
            if key in settings:
                return parse_number(settings[key])
    return None
