"""One job of a schedd as ``apf explain`` needs it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from factory.condor.daemons import ScheddAddress
from factory.condor.groups import evaluate_ask, left_out
from factory.condor.value import has, value
from factory.fit.model import Room
from factory.model import JobId


@dataclass(frozen=True)
class JobFacts:
    """What the schedd says of a job."""

    job: JobId
    status: int
    owner: str
    accounting_group: str
    autocluster: int | None
    universe: int
    requirements: str
    ask: Room
    remote_host: str | None
    hold_reason: str | None
    selected: frozenset[str]
    """Of the expressions that were asked for, those that are true of it."""
    schedd: str
    """Whose it is."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """All of them, by name in lower case, as written."""
    left_out: str | None = None
    """Why a startd may not take it now, if that is so."""


def job_facts(schedd: ScheddAddress, job: JobId, expressions: Iterable[str]) -> JobFacts | None:
    """A job; None: the schedd has no such job. Runs in a worker."""
    ads = schedd.open().query(constraint=f"ClusterId == {job.cluster} && ProcId == {job.proc}")
    return _facts(ads[0], schedd, job, expressions) if ads else None


def _facts(ad: Any, schedd: ScheddAddress, job: JobId, expressions: Iterable[str]) -> JobFacts:
    import classad2

    return JobFacts(
        job=job,
        status=int(ad["JobStatus"]),
        owner=str(value(ad, "Owner", "")),
        accounting_group=str(value(ad, "AccountingGroup", "")),
        autocluster=int(ad["AutoClusterId"]) if has(ad, "AutoClusterId") else None,
        universe=int(ad.get("JobUniverse", 5)),
        requirements=str(ad.lookup("Requirements")) if has(ad, "Requirements") else "true",
        ask=evaluate_ask(ad)[0],
        remote_host=value(ad, "RemoteHost"),
        hold_reason=value(ad, "HoldReason"),
        selected=frozenset(text for text in expressions if classad2.ExprTree(text).eval(ad) is True),
        schedd=str(schedd),
        attributes={name.lower(): str(ad.lookup(name)) for name in ad},
        left_out=left_out(ad, time.time()),
    )
