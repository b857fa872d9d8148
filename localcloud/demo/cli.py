"""The command: run a scenario, report on it, and end everything that it started."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console

from localcloud.demo.evidence import collect_evidence
from localcloud.demo.keep import keep_running
from localcloud.demo.ramps import run_ramps
from localcloud.demo.report import build_report
from localcloud.demo.results import clear_results, keep_logs, print_results, write_results
from localcloud.demo.scenario import SCENARIOS, Scenario
from localcloud.demo.session import run_session
from localcloud.demo.testbed import start_testbed
from localcloud.demo.view import open_view

_LEGEND = """
Times are seconds since the first submission. A decision shows its number of VMs (or pilots) and the plugins of the
chain that changed it: plugin → number (reason).\
"""


def _defaults(setting: str) -> str:
    values = (f"{getattr(each.defaults, setting)} in {name}" for name, each in SCENARIOS.items())
    return f"[default: {', '.join(values)}]"


@click.command()
@click.option(
    "--scenario",
    "name",
    default="jobs",
    show_default=True,
    type=click.Choice(list(SCENARIOS)),
    help="jobs: idle jobs become VMs. panda: PanDA's jobs become pilots, and idle pilots become VMs.",
)
@click.option("--jobs", type=click.IntRange(1), help=f"Jobs of the first ramp. {_defaults('jobs')}")
@click.option("--second", type=click.IntRange(0), help=f"Jobs of the second ramp. {_defaults('second')}")
@click.option("--job-seconds", "job_s", type=click.IntRange(1), help=f"Length of a job. {_defaults('job_s')}")
@click.option("--keep", "keep", is_flag=True, envvar="KEEP", help="Keep everything running to look around.")
@click.option(
    "--output", default="demo-output", show_default=True, help="Directory for report, picture and logs.",
    type=click.Path(file_okay=False, path_type=Path),
)  # fmt: skip
def main(name: str, keep: bool, output: Path, **settings: int | None) -> None:
    """Run an HTCondor pool, a local cloud and the factory on this host, and watch jobs become VMs.

    Exit status: 0 if all checks passed, 1 if one failed. Slowness is reported and fails nothing.
    """
    console = Console(highlight=False)
    given = {key: value for key, value in settings.items() if value is not None}
    scenario = SCENARIOS[name](replace(SCENARIOS[name].defaults, **given))
    clear_results(output)
    run_session(lambda directory: _run(directory, scenario, output, console, keep), console)


def _run(directory: Path, scenario: Scenario, output: Path, console: Console, keep: bool) -> int:
    console.print("Starting an HTCondor pool without startds, a local EC2 cloud and the factory …")
    began = time.monotonic()
    with start_testbed(directory, scenario) as testbed:
        try:
            console.print(f"… running after {time.monotonic() - began:.1f} s. The factory's whole configuration:\n")
            console.print(testbed.conf.read_text(), markup=False, soft_wrap=True)
            console.print(_LEGEND, markup=False, soft_wrap=True)
            with open_view(console) as view:
                ramps = run_ramps(testbed, scenario, view)
            evidence = collect_evidence(testbed, scenario, ramps)
            report = build_report(scenario, evidence, took_s=time.monotonic() - began)
            write_results(output, scenario, evidence, report)
            print_results(console, scenario, report, output)
            if keep:
                keep_running(testbed, scenario, view)
        finally:
            keep_logs(output, scenario, testbed)
    return 1 if report.failures else 0
