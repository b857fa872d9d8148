"""The report: figures from evidence, and what is wrong with them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from localcloud.demo.evidence import Ad, Evidence, job_id
from localcloud.demo.play import Ramp
from localcloud.demo.settings import Settings

COMPLETED = 4
EVICTED = (4, 7)
"""Events that say that a job was thrown off its machine: evicted, shadow exception."""

Report = dict[str, Any]


def make_report(settings: Settings, seen: Evidence, took_s: float) -> Report:
    """All figures; durations in seconds, from the moment when the first idle job was in the queue.

    ``took_s``: how long all of it took, from the first daemon to the last instance.
    """
    first = min((ad["QDate"] for ad in seen.jobs), default=None)
    ends = [history[-1] for history in map(_history, seen.instances) if history]
    vms = [_ramp_report(settings, seen, ramp) for ramp in seen.ramps]
    return {
        "jobs_submitted": sum(ramp.jobs for ramp in seen.ramps),
        "jobs_completed": sum(1 for ad in seen.jobs if ad["JobStatus"] == COMPLETED and ad.get("ExitCode") == 0),
        "jobs_evicted": sum(1 for ad in seen.jobs if was_evicted(ad, seen)),
        "job_starts": sum(ad.get("NumJobStarts", 0) for ad in seen.jobs),
        "vms_started": len(seen.instances),
        "vms_terminated": sum(1 for instance in seen.instances if instance["state"] == "terminated"),
        "vms_leaked": sum(1 for instance in seen.instances if instance["state"] != "terminated"),
        "vms_by_law": sum(ramp["vms_by_law"] for ramp in vms),
        "vms_one_per_job": sum(ramp.jobs for ramp in seen.ramps),
        "vm_jobs": len(seen.vm_jobs),
        "vm_jobs_left": sum(1 for ad in seen.vm_jobs if not ad.get("CompletionDate") and ad["JobStatus"] not in (3, 4)),
        "first_vm_requested_s": vms[0]["first_vm_requested_s"] if vms else None,
        "first_vm_requested_at_most_s": settings.sleep_s + settings.first_vm_s,
        "first_instance_s": vms[0]["first_instance_s"] if vms else None,
        "all_done_s": None if first is None or not ends else round(max(ends)[1] - first, 1),
        "took_s": round(took_s, 1),
        "took_at_most_s": settings.whole_s,
        "ramps": vms,
        "api_requests": sum(seen.requests.values()),
        "api_requests_by_action": dict(seen.requests),
        "decisions": len(seen.journal),
        "decisions_held": sum(1 for entry in seen.journal if entry["outcome"] == "blocked"),
        "decisions_waited": sum(1 for entry in seen.journal if waited(entry)),
        "apfqueue_sleep_s": settings.sleep_s,
        "htcondor_version": version(seen.version),
    }


def problems(seen: Evidence, report: Report) -> list[str]:
    """What is wrong, in sentences; empty if the demo went as it should."""
    found = [f"ramp of {ramp.jobs} jobs: not over in time" for ramp in seen.ramps if ramp.ended is None]
    missing = report["jobs_submitted"] - report["jobs_completed"]
    if missing:
        found.append(f"{missing} of {report['jobs_submitted']} jobs did not complete")
    if report["jobs_evicted"]:
        found.append(f"jobs evicted: {', '.join(job_id(ad) for ad in seen.jobs if was_evicted(ad, seen))}")
    alive = [f"{i['id']} ({i['state']})" for i in seen.instances if i["state"] != "terminated"]
    if alive:
        found.append(f"instances not terminated: {', '.join(alive)}")
    if not seen.instances:
        found.append("no VM was started")
    if report["vm_jobs_left"]:
        found.append(f"{report['vm_jobs_left']} VM jobs are still in the queue")
    found += [
        f"ramp of {ramp['jobs']} jobs: {ramp['vms_started']} VMs were started, {ramp['vms_by_law']} would have done"
        for ramp in report["ramps"]
        if ramp["vms_started"] > ramp["vms_by_law"]
    ]
    requested_s, bound_s = report["first_vm_requested_s"], report["first_vm_requested_at_most_s"]
    if requested_s is not None and requested_s > bound_s:
        found.append(f"the first VM was requested after {requested_s:.0f} s, not within {bound_s:.0f} s")
    if report["took_s"] > report["took_at_most_s"]:
        found.append(f"it took {report['took_s']:.0f} s, not at most {report['took_at_most_s']:.0f} s")
    return found


def was_evicted(ad: Ad, seen: Evidence) -> bool:
    """The job was thrown off a machine, or had to start more than once."""
    logged: Mapping[int, int] = seen.events.get(job_id(ad), {})
    return ad.get("NumJobStarts", 0) > 1 or any(logged.get(code, 0) for code in EVICTED)


def waited(entry: Mapping[str, Any]) -> bool:
    """Jobs were idle, and nothing was bought for them because VMs were under way already."""
    ready = (entry["wms"] or {}).get("ready", 0)
    return bool(ready and entry["batch"].get("pending", 0) and not entry["n"])


def version(text: str) -> str:
    """The number in what condor_version prints."""
    found = re.search(r"\$CondorVersion: (\S+)", text)
    return found[1] if found else text.strip()


def _history(instance: Mapping[str, Any]) -> list[tuple[str, float]]:
    return [(state, epoch) for state, epoch in instance["history"]]


def _ramp_report(settings: Settings, seen: Evidence, ramp: Ramp) -> Report:
    """One ramp; durations in seconds from the moment when its first job was in the queue."""
    later = [other.began for other in seen.ramps if other.began > ramp.began]
    until = min(later, default=float("inf"))
    jobs = [ad for ad in seen.jobs if ad["ClusterId"] == ramp.cluster]
    vm_jobs = [ad["QDate"] for ad in seen.vm_jobs if int(ramp.began) <= ad["QDate"] < until]
    instances = [history for history in map(_history, seen.instances) if ramp.began <= history[0][1] < until]
    queued = min((ad["QDate"] for ad in jobs), default=ramp.began)

    def after(moments: list[float], which: Any) -> float | None:
        return round(which(moments) - queued, 1) if moments else None

    return {
        "jobs": ramp.jobs,
        "vms_started": len(instances),
        "vms_by_law": settings.vms_by_law(ramp.jobs),
        "first_vm_requested_s": after(vm_jobs, min),
        "first_instance_s": after([history[0][1] for history in instances], min),
        "first_job_started_s": after([ad["JobStartDate"] for ad in jobs if ad.get("JobStartDate")], min),
        "jobs_done_s": after([ad["CompletionDate"] for ad in jobs if ad.get("CompletionDate")], max),
        "vms_gone_s": after([history[-1][1] for history in instances], max),
    }
