"""The report: figures from evidence, failed checks, and notes about slowness. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from localcloud.demo.evidence import Ad, Evidence, job_id
from localcloud.demo.ramps import Ramp
from localcloud.demo.scenario import Scenario

_REMOVED, _COMPLETED = 3, 4
_EVICTIONS = (4, 7)
"""Event codes of an eviction: job evicted, shadow exception."""


@dataclass(frozen=True)
class RampReport:
    """Figures of one ramp; durations in seconds since its first job was queued."""

    jobs: int
    vms_started: int
    vms_needed: int | None
    """VMs that the jobs need; None if the scenario does not determine it."""
    first_vm_requested_s: float | None
    first_instance_s: float | None
    first_job_started_s: float | None
    jobs_done_s: float | None
    vms_gone_s: float | None


@dataclass(frozen=True)
class DemoReport:
    """Figures of the whole demo; durations in seconds since the first job was queued.

    Jobs are those of the pool's schedd, thus pilots in a scenario whose factory submits pilots.
    """

    scenario: str
    jobs_submitted: int
    jobs_completed: int
    jobs_evicted: int
    job_starts: int
    scenario_figures: Mapping[str, int]
    vms_started: int
    vms_terminated: int
    vms_leaked: int
    vms_needed: int | None
    vms_limit: int
    """Limit on VMs at once."""
    vm_jobs: int
    vm_jobs_left: int
    first_vm_requested_s: float | None
    first_vm_expected_s: float
    first_instance_s: float | None
    all_done_s: float | None
    took_s: float
    """Duration of the whole demo, from the start of the first daemon."""
    took_expected_s: float
    ramps: tuple[RampReport, ...]
    api_requests: int
    api_requests_by_action: Mapping[str, int]
    decisions: Mapping[str, int]
    """Number of decisions by queue."""
    decisions_blocked: int
    decisions_waited: int
    """Decisions that bought nothing for waiting jobs, because VMs were starting."""
    failed_actions: tuple[str, ...]
    apfqueue_sleep_s: int
    htcondor_version: str
    failures: tuple[str, ...] = ()
    """Failed checks, as sentences."""
    notes: tuple[str, ...] = ()
    """Expectations about time that were missed; they fail nothing."""


def build_report(scenario: Scenario, evidence: Evidence, took_s: float) -> DemoReport:
    """Build the report. ``took_s`` is the duration of the whole demo."""
    settings = scenario.settings
    submitted = sum(ramp.jobs for ramp in evidence.ramps)
    ramps = tuple(_ramp_report(scenario, evidence, ramp) for ramp in evidence.ramps)
    needed = [ramp.vms_needed for ramp in ramps if ramp.vms_needed is not None]
    queues = [decision.queue for decision in evidence.journal]
    terminated = sum(1 for instance in evidence.instances if instance["state"] == "terminated")
    report = DemoReport(
        scenario=scenario.name,
        jobs_submitted=len(evidence.jobs) if scenario.factory_submits else submitted,
        jobs_completed=sum(map(_succeeded, evidence.jobs)),
        jobs_evicted=len(_evicted(evidence)),
        job_starts=sum(ad.get("NumJobStarts", 0) for ad in evidence.jobs),
        scenario_figures=scenario.figures(submitted, len(evidence.jobs)),
        vms_started=len(evidence.instances),
        vms_terminated=terminated,
        vms_leaked=len(evidence.instances) - terminated,
        vms_needed=sum(needed) if len(needed) == len(ramps) else None,
        vms_limit=settings.max_to_run,
        vm_jobs=len(evidence.vm_jobs),
        vm_jobs_left=sum(map(_in_queue, evidence.vm_jobs)),
        first_vm_requested_s=ramps[0].first_vm_requested_s if ramps else None,
        first_vm_expected_s=settings.sleep_s + settings.first_vm_s,
        first_instance_s=ramps[0].first_instance_s if ramps else None,
        all_done_s=_all_done_s(evidence),
        took_s=round(took_s, 1),
        took_expected_s=settings.total_s,
        ramps=ramps,
        api_requests=sum(evidence.requests.values()),
        api_requests_by_action=dict(evidence.requests),
        decisions={queue: queues.count(queue) for queue in dict.fromkeys(queues)},
        decisions_blocked=sum(decision.blocked for decision in evidence.journal),
        decisions_waited=sum(1 for each in evidence.journal if each.queue == scenario.vm_queue and each.waited),
        failed_actions=tuple(error for decision in evidence.journal for error in decision.failed),
        apfqueue_sleep_s=settings.sleep_s,
        htcondor_version=version_number(evidence.version),
    )
    return replace(report, failures=tuple(_failures(scenario, evidence, report)), notes=tuple(_notes(report)))


def _succeeded(ad: Mapping[str, Any]) -> bool:
    return bool(ad["JobStatus"] == _COMPLETED and ad.get("ExitCode") == 0)


def _all_done_s(evidence: Evidence) -> float | None:
    """Return the time from the first submit to the end of the last instance; None if there was neither."""
    first = min((ad["QDate"] for ad in evidence.jobs), default=None)
    ends = [history[-1][1] for history in map(_history, evidence.instances) if history]
    return None if first is None or not ends else round(max(ends) - first, 1)


def version_number(text: str) -> str:
    """Return the version number in the output of condor_version."""
    found = re.search(r"\$CondorVersion: (\S+)", text)
    return found[1] if found else text.strip()


def _failures(scenario: Scenario, evidence: Evidence, report: DemoReport) -> list[str]:
    """Return the failed checks, as sentences."""
    unfinished = sum(ramp.ended is None for ramp in evidence.ramps)
    found = [f"{unfinished} of {len(evidence.ramps)} ramps did not end"] if unfinished else []
    found += scenario.failures(sum(ramp.jobs for ramp in evidence.ramps))
    missing = report.jobs_submitted - report.jobs_completed
    if missing:
        found.append(f"{missing} of {report.jobs_submitted} {scenario.noun}s did not complete")
    if report.jobs_evicted:
        found.append(f"{scenario.noun}s evicted: {', '.join(_evicted(evidence))}")
    alive = [f"{i['id']} ({i['state']})" for i in evidence.instances if i["state"] != "terminated"]
    if alive:
        found.append(f"instances not terminated: {', '.join(alive)}")
    if not evidence.instances:
        found.append("no VM was started")
    if report.vm_jobs_left:
        found.append(f"VM jobs still in the queue: {report.vm_jobs_left}")
    found += [
        f"ramp of {ramp.jobs} jobs: {ramp.vms_started} VMs started, {ramp.vms_needed} needed"
        for ramp in report.ramps
        if ramp.vms_needed is not None and ramp.vms_started > ramp.vms_needed
    ]
    return found + [f"an action failed: {error}" for error in report.failed_actions]


def _notes(report: DemoReport) -> list[str]:
    """Return the missed expectations about time, as sentences."""
    expectations = [
        ("the first VM was requested after", report.first_vm_requested_s, report.first_vm_expected_s),
        ("the whole demo took", report.took_s, report.took_expected_s),
    ]
    return [
        f"{what} {value:.0f} s; expected at most {expected:.0f} s"
        for what, value, expected in expectations
        if value is not None and value > expected
    ]


def _evicted(evidence: Evidence) -> list[str]:
    """Return the ids of jobs that were evicted or started more than once."""
    return [job_id(ad) for ad in evidence.jobs if ad.get("NumJobStarts", 0) > 1 or _has_eviction(ad, evidence)]


def _has_eviction(ad: Ad, evidence: Evidence) -> bool:
    counts: Mapping[int, int] = evidence.events.get(job_id(ad), {})
    return any(counts.get(code, 0) for code in _EVICTIONS)


def _in_queue(ad: Ad) -> bool:
    return not ad.get("CompletionDate") and ad["JobStatus"] not in (_REMOVED, _COMPLETED)


def _history(instance: Mapping[str, Any]) -> list[tuple[str, float]]:
    return [(state, epoch) for state, epoch in instance["history"]]


def _ramp_report(scenario: Scenario, evidence: Evidence, ramp: Ramp) -> RampReport:
    later = [other.began for other in evidence.ramps if other.began > ramp.began]
    # QDate is in whole seconds.
    first, end = int(ramp.began), int(min(later)) if later else float("inf")

    def within(ads: Sequence[Ad]) -> list[Ad]:
        return [ad for ad in ads if first <= ad["QDate"] < end]

    jobs = within(evidence.jobs)
    queued = min((ad["QDate"] for ad in jobs), default=ramp.began)
    instances = [history for history in map(_history, evidence.instances) if first <= history[0][1] < end]

    def after(moments: Sequence[float], which: Any) -> float | None:
        return round(which(moments) - queued, 1) if moments else None

    return RampReport(
        jobs=ramp.jobs,
        vms_started=len(instances),
        vms_needed=scenario.vms_needed(ramp.jobs),
        first_vm_requested_s=after([ad["QDate"] for ad in within(evidence.vm_jobs)], min),
        first_instance_s=after([history[0][1] for history in instances], min),
        first_job_started_s=after([ad["JobStartDate"] for ad in jobs if ad.get("JobStartDate")], min),
        jobs_done_s=after([ad["CompletionDate"] for ad in jobs if ad.get("CompletionDate")], max),
        vms_gone_s=after([history[-1][1] for history in instances], max),
    )
