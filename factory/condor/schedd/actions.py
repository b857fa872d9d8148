"""What is done to a schedd. Every function runs in a worker process and re-states what justified it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from factory.condor.classad.literals import quote, same_text
from factory.condor.connect import open_collector, open_schedd
from factory.model.address import PoolAddress, ScheddAddress
from factory.model.job_status import ON_MACHINE, JobStatus
from factory.model.vm import JobId

_ON_A_MACHINE = f"({' || '.join(f'JobStatus == {status}' for status in sorted(ON_MACHINE))})"
"""Running, transferring its output, suspended."""


class NotDone(Exception):
    """The schedd found nothing that still was as decided; nothing was changed."""


def submit(
    schedd: ScheddAddress,
    description: str,
    items: Sequence[Mapping[str, str]],
    cap: tuple[str, int] | None = None,
    ours: str = "true",
) -> tuple[JobId, ...]:
    """Submit one job for each item, in one transaction. ``cap``: a constraint, and how many may fit it afterwards.

    ``ours``: what every query of our jobs asks. Jobs that do not fit it would never be seen again, and bought anew
    in every round; they are removed at once.

    Raises:
        NotDone: the cap leaves no room, or the schedd gives our jobs another owner; nothing was left submitted.
        htcondor2.HTCondorException: the schedd refused; nothing was submitted.
    """
    import htcondor2

    handle = open_schedd(schedd)
    if cap is not None:
        constraint, maximum = cap
        there = len(handle.query(constraint=constraint, projection=["ClusterId"]))
        if there + len(items) > maximum:
            raise NotDone(f"{there} jobs are there and {len(items)} more would pass the cap of {maximum}")
    described = htcondor2.Submit(description)
    if any(items):
        result = handle.submit(described, itemdata=iter([dict(item) for item in items]))
    else:
        result = handle.submit(described, count=len(items))
    if not handle.query(constraint=f"ClusterId == {result.cluster()} && ({ours})", projection=["ClusterId"], limit=1):
        handle.act(htcondor2.JobAction.Remove, f"ClusterId == {result.cluster()}", reason=("not ours to see", 0))
        raise NotDone("the schedd gives our jobs another owner than [Factory] owner; set it to what condor_q shows")
    first = result.first_proc()
    return tuple(JobId(result.cluster(), first + i) for i in range(result.num_procs()))


def jobs_on_startds(schedd: ScheddAddress, startds: Collection[str]) -> dict[str, str]:
    """Of these startds, named with or without their host, those on which a job of this schedd runs, and that job."""
    names = ["RemoteHost", "ClusterId", "ProcId"]
    return fold_jobs_on_startds(open_schedd(schedd).query(constraint=_ON_A_MACHINE, projection=names), startds)


def fold_jobs_on_startds(ads: Iterable[Mapping[str, Any]], startds: Collection[str]) -> dict[str, str]:
    """The same from the ads of jobs on machines; pure."""
    found = {}
    for ad in ads:
        host = str(ad.get("RemoteHost", ""))  # slot1_1@NAME@HOST; the only slot of a machine may be called NAME@HOST
        name = host.split("@", 1)[-1]
        for each in {host, host.split("@", 1)[0], name, name.split("@", 1)[0]}.intersection(startds):
            found[each] = f"{ad['ClusterId']}.{ad['ProcId']}"
    return found


def _one(job: JobId, still: str) -> str:
    return f"ClusterId == {job.cluster} && ProcId == {job.proc} && ({still})"


def edit(schedd: ScheddAddress, job: JobId, still: str, attribute: str, value: str) -> None:
    """Set an attribute of a job: one of the factory's own, for the gridmanager sees none but the end of the lease.

    Not with the dirty flag, which would tell the gridmanager: since HTCondor 23.9 schedd and gridmanager run in a
    circle for ever over a dirty grid job (docs/decisions/0005-no-dirty-flag.md).

    Raises:
        NotDone: the job is gone or no longer as decided.
    """
    handle = open_schedd(schedd)
    constraint = _one(job, still)
    if not handle.query(constraint=constraint, projection=["ClusterId"], limit=1):
        raise NotDone(f"job {job} is gone or no longer fits: {still}")
    handle.edit(constraint, attribute, value)


def remove(
    schedd: ScheddAddress,
    job: JobId,
    still: str,
    reason: str,
    empty: str | None = None,
    absent: tuple[PoolAddress, str] | None = None,
    master: bool = False,
) -> None:
    """Remove a job. ``empty`` names a startd, with or without its host: no job may be running there (rule 5).

    ``absent``: a collector that may have no ad with this ``APFVM``, neither of a startd nor, without ``master``, of a
    master.

    Raises:
        NotDone: the job is gone or no longer as decided, or a job runs on the startd.
    """
    import htcondor2

    handle = open_schedd(schedd)
    _nothing_runs(handle, empty, absent, master)
    _act(handle, htcondor2.JobAction.Remove, job, still, reason)


def _nothing_runs(handle: Any, empty: str | None, absent: tuple[PoolAddress, str] | None, master: bool) -> None:
    import htcondor2

    if empty is not None:
        # RemoteHost is slot1_1@NAME@HOST. endsWith is no function of ClassAds, and a backslash of a regexp means
        # something else in a constraint: both let every VM pass for empty.
        # The only slot of a machine may be called NAME@HOST.
        where = "splitSlotName(RemoteHost)[1]"
        names = ("RemoteHost", "splitSlotName(RemoteHost)[0]", where, f"splitSlotName({where})[0]")
        here = "(" + " || ".join(f"{name} == {quote(empty)}" for name in names) + ")"
        busy = handle.query(constraint=f"{_ON_A_MACHINE} && {here}", projection=["ClusterId", "ProcId"], limit=1)
        if busy:
            raise NotDone(f"job {busy[0]['ClusterId']}.{busy[0]['ProcId']} still runs on {empty}")
    if absent is not None:
        collector, mine = open_collector(absent[0]), same_text("APFVM", absent[1])
        for kind in (htcondor2.AdType.Startd, *(() if master else (htcondor2.AdType.Master,))):
            if collector.query(kind, constraint=mine, projection=["Name"]):
                raise NotDone(f"VM {absent[1]} is in the pool after all")


def release(
    schedd: ScheddAddress,
    job: JobId,
    still: str,
    reason: str,
    empty: str | None = None,
    absent: tuple[PoolAddress, str] | None = None,
) -> None:
    """Release a held job. ``empty`` and ``absent``, of a startd, as for ``remove``: if its instance ends by that.

    Raises:
        NotDone: the job is gone or no longer as decided, or its machine may be at work.
    """
    import htcondor2

    handle = open_schedd(schedd)
    _nothing_runs(handle, empty, absent, master=True)
    _act(handle, htcondor2.JobAction.Release, job, f"JobStatus == {JobStatus.HELD} && ({still})", reason)


def _act(handle: object, action: object, job: JobId, still: str, reason: str) -> None:
    # The bindings drop a plain string reason; a tuple with a code gets through.
    answer = handle.act(action, _one(job, still), reason=(reason, 0))  # type: ignore[attr-defined]
    if int(answer.get("TotalSuccess", 0)) == 0:
        raise NotDone(f"job {job} is gone or no longer fits: {still}")
