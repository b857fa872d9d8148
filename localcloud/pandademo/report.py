"""The report: figures from evidence, what is wrong with them, and the table. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from localcloud.demo.evidence import Evidence
from localcloud.demo.report import COMPLETED, version, was_evicted
from localcloud.pandademo.settings import PILOTS, VMS, Settings

Report = dict[str, Any]


def make_report(settings: Settings, seen: Evidence, panda: Mapping[str, int], took_s: float | None) -> Report:
    """All figures. ``panda``: its jobs by state at the end."""
    terminated = sum(1 for instance in seen.instances if instance["state"] == "terminated")
    return {
        "jobs_activated": settings.jobs,
        "jobs_finished": panda.get("finished", 0),
        "jobs_left": sum(count for state, count in panda.items() if state != "finished"),
        "pilots_submitted": len(seen.jobs),
        "pilots_completed": sum(1 for ad in seen.jobs if ad["JobStatus"] == COMPLETED and ad.get("ExitCode") == 0),
        "pilots_evicted": sum(1 for ad in seen.jobs if was_evicted(ad, seen)),
        "vms_started": len(seen.instances),
        "vms_most": settings.max_to_run,
        "vms_terminated": terminated,
        "vms_leaked": len(seen.instances) - terminated,
        "vm_jobs_left": sum(1 for ad in seen.vm_jobs if not ad.get("CompletionDate") and ad["JobStatus"] not in (3, 4)),
        "all_done_s": None if took_s is None else round(took_s, 1),
        "decisions": {queue: sum(1 for entry in seen.journal if entry["queue"] == queue) for queue in (PILOTS, VMS)},
        "decisions_held": sum(1 for entry in seen.journal if entry["outcome"] == "blocked"),
        "failed_actions": [a["error"] for entry in seen.journal for a in entry["actions"] if a["error"] is not None],
        "htcondor_version": version(seen.version),
    }


def problems(report: Report) -> list[str]:
    """What is wrong, in sentences; empty if the demo went as it should."""
    found = []
    if report["all_done_s"] is None:
        found.append("not over in time")
    missing = report["jobs_activated"] - report["jobs_finished"]
    if missing or report["jobs_left"]:
        found.append(f"{missing} of {report['jobs_activated']} jobs did not finish")
    lost = report["pilots_submitted"] - report["pilots_completed"]
    if lost:
        found.append(f"{lost} of {report['pilots_submitted']} pilots did not complete")
    if report["pilots_evicted"]:
        found.append(f"{report['pilots_evicted']} pilots were evicted")
    if not report["vms_started"]:
        found.append("no VM was started")
    if report["vms_leaked"]:
        found.append(f"{report['vms_leaked']} instances are not terminated")
    if report["vm_jobs_left"]:
        found.append(f"{report['vm_jobs_left']} VM jobs are still in the queue")
    found += [f"an action failed: {error}" for error in report["failed_actions"]]
    return found


def table(report: Report) -> Table:
    """The report for people."""
    shown = Table("", "", title="What happened", title_justify="left", show_header=False)
    shown.columns[1].justify = "right"
    took_s, pilots = report["all_done_s"], report["pilots_submitted"]
    rows: list[tuple[str, Any]] = [
        ("jobs that PanDA activated", report["jobs_activated"]),
        ("jobs that pilots finished", report["jobs_finished"]),
        ("pilots submitted", pilots),
        ("  that found no job left", pilots - report["jobs_finished"]),
        ("pilots evicted", report["pilots_evicted"]),
        (f"VMs started (at most {report['vms_most']} at once)", report["vms_started"]),
        ("VMs terminated", report["vms_terminated"]),
        ("VMs leaked", report["vms_leaked"]),
        ("all done and gone after", "-" if took_s is None else f"{took_s:.1f} s"),
        *((f"decisions of {queue}", count) for queue, count in report["decisions"].items()),
        ("  that held because something was unknown", report["decisions_held"]),
        ("HTCondor", report["htcondor_version"]),
    ]
    for name, value in rows:
        shown.add_row(name, str(value))
    return shown
