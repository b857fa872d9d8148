"""The command: play, report, leave nothing behind."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
from rich.console import Console

from localcloud.demo import results
from localcloud.demo.evidence import collect, events
from localcloud.demo.running import run
from localcloud.demo.stage import stage
from localcloud.panda import PandaServer
from localcloud.pandademo.play import play
from localcloud.pandademo.report import make_report, problems, table
from localcloud.pandademo.settings import PILOTS, Settings, queues_conf, write_wrapper

REPORT = "panda-report.json"


@click.command()
@click.option("--jobs", default=Settings.jobs, show_default=True, type=click.IntRange(1), help="Jobs that PanDA has.")
@click.option(
    "--job-seconds", default=Settings.job_s, show_default=True, type=click.IntRange(1), help="Length of a job."
)
@click.option(
    "--output", default="demo-output/panda", show_default=True, help="Directory for report and logs.",
    type=click.Path(file_okay=False, path_type=Path),
)  # fmt: skip
def main(jobs: int, job_seconds: int, output: Path) -> None:
    """PanDA's jobs become pilots, pilots become VMs of a local cloud: all real but PanDA, on this machine."""
    console = Console(highlight=False)
    results.clear(output)
    (output / REPORT).unlink(missing_ok=True)
    settings = Settings(jobs=jobs, job_s=job_seconds)
    run(lambda directory: _run(directory, settings, output, console), console)


def _run(directory: Path, settings: Settings, output: Path, console: Console) -> int:
    console.print("Starting an HTCondor pool without any machine, a local cloud, a PanDA server, and the factory …")
    with PandaServer() as panda:
        panda.set(PILOTS)
        conf = partial(queues_conf, settings, panda.url, write_wrapper(directory))
        with stage(directory, conf) as started:
            try:
                console.print("… they run. The factory's whole configuration:\n")
                console.print(started.conf.read_text(), markup=False, soft_wrap=True)
                took_s = play(started, panda, settings, console)
                logs = sorted((directory / "pilots").glob("*/*/*.log"))
                seen = replace(collect(started, []), events=events("\n".join(log.read_text() for log in logs)))
            finally:
                results.keep_logs(output, started)
        report = make_report(settings, seen, panda.counts(PILOTS), took_s)
    (output / REPORT).write_text(json.dumps(report, indent=2) + "\n")
    wrong = problems(report)
    console.print()
    console.print(table(report))
    console.print(f"{output}", markup=False, highlight=False, soft_wrap=True)
    for sentence in wrong:
        console.print(f"WRONG: {sentence}", style="bold red", markup=False, soft_wrap=True)
    if not wrong:
        console.print("All went as it should.", style="bold green")
    return 1 if wrong else 0
