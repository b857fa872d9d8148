"""The facts of one job for ``apf explain``."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from factory.condor.classad.values import has, value
from factory.condor.connect import open_schedd
from factory.condor.schedd.job_groups import checked_request, exclusion_reason
from factory.model.address import ScheddAddress
from factory.model.job import JobFacts
from factory.model.vm import JobId


def job_facts(schedd: ScheddAddress, job: JobId, expressions: Iterable[str]) -> JobFacts | None:
    """Return the facts of a job, or None if the schedd has no such job. Runs in a worker process.

    ``expressions``: selections of queues; the facts say which of them the job meets.
    """
    ads = open_schedd(schedd).query(constraint=f"ClusterId == {job.cluster} && ProcId == {job.proc}")
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
        ask=checked_request(ad)[1].ask,
        remote_host=value(ad, "RemoteHost"),
        hold_reason=value(ad, "HoldReason"),
        selected=frozenset(text for text in expressions if classad2.ExprTree(text).eval(ad) is True),
        schedd=str(schedd),
        attributes={name.lower(): str(ad.lookup(name)) for name in ad},
        left_out=exclusion_reason(ad, time.time()),
    )
