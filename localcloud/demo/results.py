"""What the demo leaves: the table on the screen and the files of its output directory."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from localcloud.demo.evidence import Evidence
from localcloud.demo.picture import draw
from localcloud.demo.report import Report
from localcloud.demo.settings import Settings
from localcloud.demo.stage import Stage

REPORT = "demo-report.json"
PICTURE = "demo.png"
LOGS = "logs"


def clear(output: Path) -> None:
    """Make the directory, without what an earlier demo left there."""
    output.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(output / LOGS, ignore_errors=True)
    for name in (REPORT, PICTURE):
        (output / name).unlink(missing_ok=True)


def write(output: Path, settings: Settings, seen: Evidence, report: Report) -> None:
    """Write report and picture."""
    (output / REPORT).write_text(json.dumps(report, indent=2) + "\n")
    if seen.ramps:
        draw(output / PICTURE, settings, seen, report)


def keep_logs(output: Path, stage: Stage) -> None:
    """Copy configuration, logs and journal."""
    for path in stage.logs():
        target = output / LOGS / path.relative_to(stage.directory)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))
        elif path.exists():
            shutil.copy(path, target)


def table(report: Report) -> Table:
    """The report for people."""
    shown = Table("", "", title="What happened", title_justify="left", show_header=False)
    shown.columns[1].justify = "right"
    requested_s = report["first_vm_requested_s"]
    rows: list[tuple[str, Any]] = [
        ("jobs submitted", report["jobs_submitted"]),
        ("jobs completed", report["jobs_completed"]),
        ("jobs evicted", report["jobs_evicted"]),
        ("VMs started", report["vms_started"]),
        ("  what the jobs need, up to MaxToRun", report["vms_by_law"]),
        ("  one for each job", report["vms_one_per_job"]),
        ("VMs terminated", report["vms_terminated"]),
        ("VMs leaked", report["vms_leaked"]),
        (_at_most("first VM requested after", report["first_vm_requested_at_most_s"]), _seconds(requested_s)),
        ("first instance launched after", _seconds(report["first_instance_s"])),
        ("all done after", _seconds(report["all_done_s"])),
        (_at_most("all of it took", report["took_at_most_s"]), _seconds(report["took_s"])),
        ("requests to the cloud", report["api_requests"]),
        ("decisions", report["decisions"]),
        ("  that held because something was unknown", report["decisions_held"]),
        ("  that bought nothing, as VMs were on their way", report["decisions_waited"]),
        ("HTCondor", report["htcondor_version"]),
    ]
    for name, value in rows:
        shown.add_row(name, str(value))
    return shown


def tell(console: Console, report: Report, wrong: list[str], output: Path) -> None:
    """The end of the demo on the screen."""
    console.print()
    console.print(table(report))
    for name in (REPORT, PICTURE, LOGS):
        console.print(f"{output / name}", markup=False, highlight=False, soft_wrap=True)
    for sentence in wrong:
        console.print(f"WRONG: {sentence}", style="bold red", markup=False, highlight=False, soft_wrap=True)
    if not wrong:
        console.print("All went as it should.", style="bold green")


def _at_most(what: str, bound_s: float) -> str:
    return f"{what} (at most {bound_s:.0f} s)"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"
