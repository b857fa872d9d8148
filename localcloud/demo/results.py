"""The demo's results: the table on the screen and the files of the output directory."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from localcloud.demo.evidence import Evidence
from localcloud.demo.picture import draw
from localcloud.demo.report import DemoReport
from localcloud.demo.scenario import Scenario
from localcloud.demo.testbed import Testbed

_REPORT = "demo-report.json"
_PICTURE = "demo.png"
_LOGS = "logs"


def clear_results(output: Path) -> None:
    """Create the output directory; delete the results of an earlier demo."""
    output.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(output / _LOGS, ignore_errors=True)
    for name in (_REPORT, _PICTURE):
        (output / name).unlink(missing_ok=True)


def write_results(output: Path, scenario: Scenario, evidence: Evidence, report: DemoReport) -> None:
    """Write report and picture."""
    (output / _REPORT).write_text(json.dumps(asdict(report), indent=2) + "\n")
    if evidence.ramps:
        draw(output / _PICTURE, scenario, evidence, report)


def keep_logs(output: Path, scenario: Scenario, testbed: Testbed) -> None:
    """Copy configuration, logs and journal to the output directory."""
    for path in [*testbed.logs(), *scenario.event_logs(testbed.directory)]:
        target = output / _LOGS / path.relative_to(testbed.directory)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))
        elif path.exists():
            shutil.copy(path, target)


def print_results(console: Console, scenario: Scenario, report: DemoReport, output: Path) -> None:
    """Print the table, the paths of the files, failures, notes and the verdict."""
    console.print()
    console.print(report_table(scenario, report))
    for what, name in (("report", _REPORT), ("picture", _PICTURE), ("logs", _LOGS)):
        console.print(f"{what + ':':8} {output / name}", markup=False, highlight=False, soft_wrap=True)
    for note in report.notes:
        console.print(f"Note: {note}.", style="yellow", markup=False, highlight=False, soft_wrap=True)
    for failure in report.failures:
        console.print(f"FAILED: {failure}.", style="bold red", markup=False, highlight=False, soft_wrap=True)
    if not report.failures:
        pace = "All checks passed, but slower than expected." if report.notes else "All checks passed."
        console.print(pace, style="bold green")


def report_table(scenario: Scenario, report: DemoReport) -> Table:
    """Return the report as a table for people."""
    table = Table("", "", title="Results", title_justify="left", show_header=False)
    table.columns[1].justify = "right"
    for name, value in _rows(scenario, report):
        table.add_row(name, str(value))
    return table


def _rows(scenario: Scenario, report: DemoReport) -> Iterator[tuple[str, object]]:
    yield from report.scenario_figures.items()
    yield f"{scenario.noun}s submitted", report.jobs_submitted
    yield f"{scenario.noun}s completed", report.jobs_completed
    yield f"{scenario.noun}s evicted", report.jobs_evicted
    yield f"VMs started (at most {report.vms_limit} at once)", report.vms_started
    if report.vms_needed is not None:
        yield "  VMs that the jobs need", report.vms_needed
        yield "  VMs if each job had its own", report.jobs_submitted
    yield "VMs terminated", report.vms_terminated
    yield "VMs left behind", report.vms_leaked
    yield (
        f"first VM requested after (expected: ≤ {report.first_vm_expected_s:.0f} s)",
        _seconds(report.first_vm_requested_s),
    )
    yield "first instance launched after", _seconds(report.first_instance_s)
    yield "last instance terminated after", _seconds(report.all_done_s)
    yield f"duration of the demo (expected: ≤ {report.took_expected_s:.0f} s)", _seconds(report.took_s)
    yield "requests to the EC2 API", report.api_requests
    for queue, count in report.decisions.items():
        yield f"decisions of {queue}", count
    yield "decisions blocked by unknown data", report.decisions_blocked
    yield "decisions to wait for VMs that were starting", report.decisions_waited
    yield "HTCondor version", report.htcondor_version


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"
