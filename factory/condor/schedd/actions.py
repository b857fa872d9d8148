"""Submit, edit, remove and release jobs. Runs in a worker process; the schedd re-checks each condition."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from factory.condor.classad.literals import quote, same_text
from factory.condor.classad.values import value
from factory.condor.connect import open_collector, open_schedd
from factory.model.address import PoolAddress, ScheddAddress
from factory.model.job import RunningJob
from factory.model.job_status import ON_MACHINE, JobStatus
from factory.model.vm import JobId, counted

_ON_A_MACHINE = f"({' || '.join(f'JobStatus == {status}' for status in sorted(ON_MACHINE))})"
"""Running, transferring output, or suspended."""


class NotDone(Exception):
    """The conditions of an act no longer hold; nothing was changed."""


class StillUsed(NotDone):
    """A job runs on the machine, as its ad says. The owner of a job can write that into its ad."""

    def __init__(self, job: RunningJob, startd: str) -> None:
        super().__init__(job, startd)
        self.job = job
        self.startd = startd

    def __str__(self) -> str:
        return f"{self.job} is running on {self.startd}"


def submit(
    schedd: ScheddAddress,
    description: str,
    items: Sequence[Mapping[str, str]],
    cap: tuple[str, int] | None = None,
    ours: str = "true",
) -> tuple[JobId, ...]:
    """Submit one job for each item, in one transaction.

    ``cap``: a constraint, and the most jobs that may match it afterwards. ``ours``: the constraint of every query of
    our jobs. Jobs that do not match it would never be seen again and bought anew in every round; they are removed.

    Raises:
        NotDone: the cap is reached, or the schedd gave the jobs another owner; no job remains.
        htcondor2.HTCondorException: the schedd refused; nothing was submitted.
    """
    import htcondor2

    handle = open_schedd(schedd)
    if cap is not None:
        constraint, maximum = cap
        existing = len(handle.query(constraint=constraint, projection=["ClusterId"]))
        if existing + len(items) > maximum:
            raise NotDone(
                f"{counted(existing, 'job')} in the queue and {len(items)} to submit exceed the cap of {maximum}"
            )
    described = htcondor2.Submit(description)
    if any(items):
        result = handle.submit(described, itemdata=iter([dict(item) for item in items]))
    else:
        result = handle.submit(described, count=len(items))
    if not handle.query(constraint=f"ClusterId == {result.cluster()} && ({ours})", projection=["ClusterId"], limit=1):
        why = "apf: the owner is not [Factory] owner"
        handle.act(htcondor2.JobAction.Remove, f"ClusterId == {result.cluster()}", reason=(why, 0))
        raise NotDone("the schedd gave the jobs another owner than [Factory] owner; set it to the owner in condor_q")
    first = result.first_proc()
    return tuple(JobId(result.cluster(), first + i) for i in range(result.num_procs()))


def jobs_on_startds(schedd: ScheddAddress, startds: Collection[str]) -> dict[str, RunningJob]:
    """Return the startds on which a job of this schedd runs, as its ad says, and the job.

    ``startds``: names, with or without the host; others are ignored.
    """
    names = ["RemoteHost", "ClusterId", "ProcId", "Owner"]
    return fold_jobs_on_startds(open_schedd(schedd).query(constraint=_ON_A_MACHINE, projection=names), startds)


def fold_jobs_on_startds(ads: Iterable[Mapping[str, Any]], startds: Collection[str]) -> dict[str, RunningJob]:
    """Return startd → job from the ads of jobs on machines; pure."""
    jobs = {}
    for ad in ads:
        host = str(value(ad, "RemoteHost", ""))  # slot1_1@NAME@HOST; the only slot of a machine can be called NAME@HOST
        name = host.split("@", 1)[-1]
        for startd in {host, host.split("@", 1)[0], name, name.split("@", 1)[0]}.intersection(startds):
            jobs[startd] = _running_job(ad)
    return jobs


def _running_job(ad: Mapping[str, Any]) -> RunningJob:
    return RunningJob(JobId(int(ad["ClusterId"]), int(ad["ProcId"])), str(value(ad, "Owner", "unknown")))


def _constraint(job: JobId, condition: str) -> str:
    return f"ClusterId == {job.cluster} && ProcId == {job.proc} && ({condition})"


def edit(schedd: ScheddAddress, job: JobId, condition: str, attribute: str, value: str) -> None:
    """Set an attribute of a job that still meets the condition.

    Of such edits the gridmanager notices only the end of the lease. The dirty flag would tell it of all, but since
    HTCondor 23.9 schedd and gridmanager then loop forever over the job (docs/decisions/0005-no-dirty-flag.md).

    Raises:
        NotDone: the job is gone or no longer meets the condition.
    """
    handle = open_schedd(schedd)
    constraint = _constraint(job, condition)
    if not handle.query(constraint=constraint, projection=["ClusterId"], limit=1):
        raise NotDone(f"job {job} is gone or no longer matches {condition}")
    handle.edit(constraint, attribute, value)


def remove(
    schedd: ScheddAddress,
    job: JobId,
    condition: str,
    reason: str,
    empty: str | None = None,
    absent: tuple[PoolAddress, str] | None = None,
    master: bool = False,
) -> None:
    """Remove a job that still meets the condition.

    ``empty``: a startd, with or without its host, on which no job may be running (rule 5). ``absent``: a collector
    and an ``APFVM`` of which it may have no ad of a startd, nor of a master unless ``master`` is true.

    Raises:
        StillUsed: a job runs on the startd by its own word.
        NotDone: the job is gone or no longer meets the condition, or the VM is in the pool.
    """
    import htcondor2

    handle = open_schedd(schedd)
    _require_no_job(handle, empty)
    _require_absent(absent, master)
    _act(handle, htcondor2.JobAction.Remove, job, condition, reason)


def _require_no_job(handle: Any, startd: str | None) -> None:
    if startd is None:
        return
    # RemoteHost is slot1_1@NAME@HOST; the only slot of a machine can be called NAME@HOST. ClassAds have no endsWith,
    # and a constraint treats the backslash of a regexp differently: with either, every VM would pass as empty.
    where = "splitSlotName(RemoteHost)[1]"
    names = ("RemoteHost", "splitSlotName(RemoteHost)[0]", where, f"splitSlotName({where})[0]")
    here = "(" + " || ".join(f"{name} == {quote(startd)}" for name in names) + ")"
    names_ = ["ClusterId", "ProcId", "Owner"]
    running = handle.query(constraint=f"{_ON_A_MACHINE} && {here}", projection=names_, limit=1)
    if running:
        raise StillUsed(_running_job(running[0]), startd)


def _require_absent(absent: tuple[PoolAddress, str] | None, master: bool) -> None:
    import htcondor2

    if absent is None:
        return
    collector, same_vm = open_collector(absent[0]), same_text("APFVM", absent[1])
    for kind in (htcondor2.AdType.Startd, *(() if master else (htcondor2.AdType.Master,))):
        if collector.query(kind, constraint=same_vm, projection=["Name"]):
            raise NotDone(f"VM {absent[1]} is back in the pool")


def release(
    schedd: ScheddAddress,
    job: JobId,
    condition: str,
    reason: str,
    empty: str | None = None,
    absent: tuple[PoolAddress, str] | None = None,
) -> None:
    """Release a held job that still meets the condition.

    ``empty`` and ``absent`` as for :func:`remove`, for a release that ends the instance; ads of a master are allowed.

    Raises:
        StillUsed: a job runs on its machine by its own word.
        NotDone: the job is gone or no longer meets the condition, or its machine is in the pool.
    """
    import htcondor2

    handle = open_schedd(schedd)
    _require_no_job(handle, empty)
    _require_absent(absent, master=True)
    _act(handle, htcondor2.JobAction.Release, job, f"JobStatus == {JobStatus.HELD} && ({condition})", reason)


def _act(handle: object, action: object, job: JobId, condition: str, reason: str) -> None:
    # The bindings drop a reason that is a plain string; a tuple with a code arrives.
    answer = handle.act(action, _constraint(job, condition), reason=(reason, 0))  # type: ignore[attr-defined]
    if int(answer.get("TotalSuccess", 0)) == 0:
        raise NotDone(f"job {job} is gone or no longer matches {condition}")
