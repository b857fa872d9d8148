"""Find machines that have joined but whose START waits for an attribute of their own, such as one of a health check."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from factory.condor.classad.syntax import Unreadable
from factory.condor.classad.unknowns import KnownAd, Unknowns


def job_names(jobs: Iterable[Any]) -> frozenset[str]:
    """Return the attributes of these jobs, in lower case."""
    return frozenset(name.lower() for job in jobs for name in job)


def may_open(machine: Any, jobs: Collection[Any], of_jobs: Collection[str]) -> bool:
    """Return True if START takes none of these jobs, but may once the machine shows attributes that it lacks.

    ``machine`` and ``jobs`` are ads. ``of_jobs``: attributes of jobs, which no machine is expected to show.
    """
    import classad2

    own = KnownAd(machine)
    if "start" not in own.names:
        return False
    start = str(machine.lookup("Start"))

    def with_job(job: Any) -> Unknowns:
        return Unknowns(own, KnownAd(job), "my", of_jobs, new_names=())

    try:
        if not with_job(classad2.ClassAd()).refers_to_unknown(start):
            return False
        if any(with_job(job).is_true_now(start) for job in jobs):
            return False
        return any(with_job(job).verdict(start) is None for job in jobs)
    except Unreadable:
        return False
