"""Requests of jobs for resources, which can depend on the machine: ``request_cpus = TARGET.TotalSlotCpus``."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from factory.condor.classad.values import evaluated, has, number
from factory.model.demand import Room
from factory.model.matches import Match

_DEFAULTS = {"cpus": 1.0, "memory": 0.0, "disk": 0.0, "gpus": 0.0}
"""Requests of usual resources, without the word Request, for jobs that do not say."""
_Requests = list[tuple[str, str]]
"""Requests of a job: attribute, expression."""
_NUMBER = re.compile(r"\d+(\.\d*)?([eE][+-]?\d+)?")
_SIZES = ("Cpus", "Memory", "Disk", "GPUs")


def rounded_request(ask: Room) -> Room:
    """Round a request up as startds do by default (MODIFY_REQUEST_EXPR_REQUEST…): whole cores, 128 MiB, 1 MiB of disk.

    No ad shows the settings of a startd that differ. A slot with less left than the rounded request gives the request.
    """
    memory_mb, disk_kb = (
        max(step, math.ceil(n / step) * step) for n, step in ((ask.memory_mb, 128), (ask.disk_kb, 1024))
    )
    return Room(math.ceil(ask.cpus), memory_mb, disk_kb, ask.gpus, ask.custom)


@dataclass(frozen=True, slots=True)
class JobRequest:
    """The request of a job, as far as it is known without a machine."""

    ask: Room
    problem: str | None = None
    """Reason why a part of it can't be evaluated. None: there is none."""
    refers: frozenset[str] = frozenset()
    """Attributes, in lower case, that it needs and the job does not have."""
    custom: tuple[str, ...] = ()
    """Custom resources, in lower case, that it may name on some machine; only if it refers to attributes."""


def read_job_request(ad: Any) -> JobRequest:
    """Return the request in a job's ad. ``request_tape = 1`` requests the custom resource ``tape``."""
    requests = _requests(ad)
    refers = _references(ad, requests)
    custom = {name[7:].lower() for name, _ in requests} - _DEFAULTS.keys() if refers else ()
    return JobRequest(*_evaluate(ad, requests, None), refers, tuple(sorted(custom)))


def _evaluate(ad: Any, requests: _Requests, machine: Any) -> tuple[Room, str | None]:
    """Return the request on a machine or on none, and the problem if a part of it can't be evaluated."""
    amounts = dict(_DEFAULTS)
    for name, text in requests:
        resource = name[7:].lower()
        amount = _literal(text)
        amount = number(_evaluated(ad, name, machine)) if amount is None else amount
        if amount is not None and math.isfinite(amount):
            amounts[resource] = max(0.0, amount)
        elif resource in _DEFAULTS:
            return Room(), f"{name} = {text} can't be evaluated"
    cpus, memory, disk, gpus = (amounts.pop(resource) for resource in _DEFAULTS)
    custom = tuple(sorted((resource, amount) for resource, amount in amounts.items() if resource and amount > 0))
    return Room(max(1.0, cpus), memory, disk, gpus, custom), None


def _references(ad: Any, requests: _Requests) -> frozenset[str]:
    found: set[str] = set()
    for name, text in requests:
        if _literal(text) is None:
            found.update(each.rpartition(".")[2].lower() for each in ad.externalRefs(ad.lookup(name)) if each)
    return frozenset(found)


def request_on(ad: Any, machine: Any) -> Room | None:
    """Return what one job takes of a machine that is large enough; None if that can't be evaluated."""
    ask, problem = _evaluate(ad, _requests(ad), machine)
    if problem is not None:
        return None
    totals = (number(evaluated(machine, f"TotalSlot{name}")) for name in _SIZES)
    cpus, memory_mb, disk_kb, gpus = (math.inf if total is None else total for total in totals)
    rounded = rounded_request(ask)
    return rounded if Room(cpus, memory_mb, disk_kb, gpus).holds(rounded) else ask


def _requests(ad: Any) -> _Requests:
    return [(name, str(ad.lookup(name))) for name in ad if name[0] in "Rr" and name[:7].lower() == "request"]


@lru_cache(4096)
def _literal(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _evaluated(ad: Any, name: str, machine: Any) -> object:
    if machine is None:
        return evaluated(ad, name)
    try:
        return ad.lookup(name).eval(ad, machine)
    except Exception:  # noqa: BLE001 - the bindings raise many kinds for an expression that is an error
        return None


def varies_on(request: JobRequest, machine: Any) -> bool:
    """True if the request of a job may differ on this machine from what it is on none."""
    return bool(request.refers) and (request.problem is not None or any(has(machine, name) for name in request.refers))


def with_request(found: Match, job: Any, machine: Any) -> Match:
    """Return the match with the request that the job makes of this machine; no match if that can't be evaluated."""
    ask = request_on(job, machine)
    if ask is None:
        return replace(found, ok=False, maybe=False, why="the request of the job can't be evaluated there")
    return replace(found, ask=ask)
