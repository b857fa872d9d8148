"""The command: play, report, leave nothing behind."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import click
from rich.console import Console

from localcloud.demo import results
from localcloud.demo.evidence import collect
from localcloud.demo.keep import keep
from localcloud.demo.play import play
from localcloud.demo.report import make_report, problems
from localcloud.demo.running import run
from localcloud.demo.settings import Settings, queues_conf
from localcloud.demo.show import Show, show
from localcloud.demo.stage import Stage, stage


@click.command()
@click.option(
    "--jobs", default=Settings.jobs, show_default=True, type=click.IntRange(1), help="Jobs of the first ramp."
)
@click.option("--second", default=Settings.second, show_default=True, type=click.IntRange(0), help="Of the second.")
@click.option(
    "--job-seconds", default=Settings.job_s, show_default=True, type=click.IntRange(1), help="Length of a job."
)
@click.option("--keep", "kept", is_flag=True, envvar="KEEP", help="Leave it all running to look around.")
@click.option(
    "--output", default="demo-output", show_default=True, help="Directory for report, picture and logs.",
    type=click.Path(file_okay=False, path_type=Path),
)  # fmt: skip
def main(jobs: int, second: int, job_seconds: int, kept: bool, output: Path) -> None:
    """Idle jobs become VMs of a local cloud, and idle VMs go away: all real, on this machine."""
    console = Console(highlight=False)
    settings = Settings(jobs=jobs, second=second, job_s=job_seconds)
    results.clear(output)
    run(lambda directory: _run(directory, settings, output, console, kept), console)


def _run(directory: Path, settings: Settings, output: Path, console: Console, kept: bool) -> int:
    console.print("Starting an HTCondor pool without any machine, a local cloud, and the factory …")
    began = time.monotonic()
    with stage(directory, partial(queues_conf, settings)) as started:
        try:
            console.print(f"… after {time.monotonic() - began:.1f} s they run. The factory's whole configuration:\n")
            console.print(started.conf.read_text(), markup=False, soft_wrap=True)
            with show(console) as shown:
                wrong = _play(started, settings, output, console, shown, began)
            if kept:
                keep(started, settings, shown)
        finally:
            results.keep_logs(output, started)
    return 1 if wrong else 0


def _play(started: Stage, settings: Settings, output: Path, console: Console, shown: Show, began: float) -> list[str]:
    ramps = play(started, settings, shown)
    took_s = time.monotonic() - began
    seen = collect(started, ramps)
    report = make_report(settings, seen, took_s)
    wrong = problems(seen, report)
    results.write(output, settings, seen, report)
    results.tell(console, report, wrong, output)
    return wrong
