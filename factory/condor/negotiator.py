"""What the negotiator would not start whatever room there is: concurrency limits, quotas, ceilings.

Two small questions, asked of the negotiator by HTCondor's tools, which run beside the worker's own work and are given
up after a while: a negotiator answers nobody while it is in a cycle. What it said last then stands for some minutes;
what is not known limits nothing. Asked after the jobs were counted, so that a job that starts in between is missed
rather than counted twice.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from factory.condor.classad.values import evaluated, has
from factory.condor.connect import open_collector
from factory.model.address import PoolAddress
from factory.model.demand import JobGroup, Limit
from factory.process.clock import steady

PATIENCE_S = 3.0
"""A negotiator is waited for no longer: it is in a cycle, perhaps because some schedd hangs."""
_BELIEVED_S = 600
_ROOT = "<none>"
"""The group of all submitters that belong to none."""
_NUMBERED = re.compile(r"(\w+?)(\d*) = (.*)")


@dataclass(frozen=True)
class NegotiatorLimits:
    """What a negotiator knows of limits. Names are in lower case."""

    ceilings: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Submitter without domain → ceiling, and what it uses."""
    quotas: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Accounting group → quota, and what it and the groups below it use; only of groups that accept no surplus."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Its configuration, as far as it may set concurrency limits."""
    in_use: Mapping[str, float] = field(default_factory=dict)
    """Concurrency limit → what the jobs on all slots take of it."""


_last: dict[str, tuple[float, NegotiatorLimits]] = {}
"""By pool: when it last answered, and what; kept in the worker."""


class NegotiatorQuery:
    """A question to the negotiator of a pool that is under way."""

    def __init__(self, pool: PoolAddress, jobs: Iterable[Any]) -> None:
        """``jobs``: ads of waiting jobs. Nothing is asked if there is none."""
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
        """What it says; what it said some minutes ago at most, if it does not answer by then; or nothing."""
        deadline = time.monotonic() + patience_s
        usage, config = _output(self._usage, deadline), _output(self._config, deadline)
        if usage is not None and (config is not None or self._config is None):
            found = parse_negotiator_limits(usage, config or "")
            if self._config is not None:
                found = replace(found, in_use=concurrency_in_use(self._pool))
            _last[str(self._pool)] = (steady(), found)
            return found
        then, known = _last.get(str(self._pool), (0.0, NegotiatorLimits()))
        return known if self._usage is not None and steady() - then < _BELIEVED_S else NegotiatorLimits()


def _output(child: subprocess.Popen[str] | None, deadline: float) -> str | None:
    """What a tool printed; None: it failed, or takes too long."""
    if child is None:
        return None
    try:
        printed = child.communicate(timeout=max(0.0, deadline - time.monotonic()))[0]
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return None
    return printed if child.returncode == 0 else None


def parse_negotiator_limits(usage: str, config: str) -> NegotiatorLimits:
    """From what ``condor_userprio -allusers -long`` and ``condor_config_val -dump`` print; pure.

    HTCondor 23 prints one ad with numbered attributes, 25 an ad for each.
    """
    rows: dict[tuple[int, str], dict[str, str]] = defaultdict(dict)
    for i, block in enumerate(usage.split("\n\n")):
        for match in filter(None, map(_NUMBERED.fullmatch, block.splitlines())):
            rows[i, match[2]][match[1]] = match[3].strip('"')
    ceilings, quotas = {}, {}
    for row in rows.values():
        name = row.get("Name", "").lower()
        used = _number(row.get("WeightedResourcesUsed")) or 0.0
        ceiling, quota = _number(row.get("Ceiling")), _number(row.get("ConfigQuota"))
        if row.get("IsAccountingGroup") == "true":
            # A quota between 0 and 1 is a part of the pool, and the pool grows.
            if name != _ROOT and row.get("SurplusPolicy") == "no" and quota is not None and not 0 < quota <= 1:
                quotas[name] = (quota, max(used, _number(row.get("HierWeightedResourcesUsed")) or 0.0))
        elif ceiling is not None and ceiling >= 0:
            ceilings[name.rpartition("@")[0] or name] = (ceiling, used)
    pairs = (line.split(" = ", 1) for line in config.splitlines() if " = " in line and not line.startswith("#"))
    return NegotiatorLimits(ceilings, quotas, {name.strip().lower(): value.strip() for name, value in pairs})


def concurrency_in_use(pool: PoolAddress) -> dict[str, float]:
    """What the jobs on all slots take of concurrency limits, as the negotiator counts it."""
    import htcondor2

    found: dict[str, float] = defaultdict(float)
    for ad in open_collector(pool).query(
        htcondor2.AdType.Startd, constraint="ConcurrencyLimits =!= undefined", projection=["ConcurrencyLimits"]
    ):
        for name, weight in parse_concurrency_limits(evaluated(ad, "ConcurrencyLimits")):
            found[name] += weight
    return dict(found)


def parse_concurrency_limits(limits: object) -> Iterator[tuple[str, float]]:
    """The concurrency limits that a job names, and what it takes of each: ``licence, tape:2``."""
    for word in re.split(r"[\s,]+", limits.strip().lower()) if isinstance(limits, str) else ():
        name, _, weight = word.partition(":")
        number = _number(weight) or 1.0
        if name:
            yield name, number if number > 0 else 1.0


def find_limits(groups: Iterable[JobGroup], ads: Mapping[str, Any], known: NegotiatorLimits) -> tuple[Limit, ...]:
    """The limits that stand against these groups; ``ads``: by group key, the ad that stands for its jobs.

    A slot weighs as many cores as it has (SLOT_WEIGHT's default); a pool where it does not is taken by its own numbers
    for what is in use, and by cores for what comes.
    """
    found: dict[tuple[str, str, float, bool], dict[str, float]] = defaultdict(dict)
    for group in groups:
        if group.problem is not None:
            continue
        for of, used, left, weight, strict in _of_group(group, ads[group.key], known):
            of_limit = found[of, used, left, strict]
            of_limit[group.key] = of_limit.get(group.key, 0) + weight
    return tuple(
        Limit(f"{of}, {used}", left, weights, strict, of) for (of, used, left, strict), weights in found.items()
    )


def _of_group(group: JobGroup, ad: Any, known: NegotiatorLimits) -> Iterator[tuple[str, str, float, float, bool]]:
    submitter, cores = (group.accounting_group or group.owner).lower(), (group.takes or group.ask).cpus
    if submitter in known.ceilings:
        ceiling, used = known.ceilings[submitter]
        in_use = f"{used:g} of {ceiling:g} cores in use"
        yield f"ceiling of {submitter}", in_use, ceiling - used, cores, False
    for name in _above(submitter if group.accounting_group else ""):
        if name in known.quotas:
            quota, used = known.quotas[name]
            yield f"quota of {name}", f"{used:g} of {quota:g} cores in use", quota - used, cores, False
    for name, weight in parse_concurrency_limits(evaluated(ad, "ConcurrencyLimits")):
        most = concurrency_maximum(name, known.settings)
        if most is not None:
            used = known.in_use.get(name, 0.0)
            yield f"concurrency limit {name}", f"{used:g} of {most:g} in use", most - used, weight, True


def _above(submitter: str) -> Iterator[str]:
    """The accounting groups that a submitter may belong to, from the narrowest to the widest."""
    name = submitter.rpartition(".")[0]
    while name:
        yield name
        name = name.rpartition(".")[0]


def concurrency_maximum(limit: str, settings: Mapping[str, str]) -> float | None:
    """The most that a concurrency limit allows, by the negotiator's configuration; None: not known."""
    scope = limit.rpartition(".")[0]
    names = [f"{limit}_limit", *([f"concurrency_limit_default_{scope}"] if scope else ()), "concurrency_limit_default"]
    for name in names:
        for key in (f"negotiator.{name}", name):
            if key in settings:
                return _number(settings[key])
    return None


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
