"""Scenarios, each with one fault, and their runner, which runs some in parallel."""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.books import Figures
from tests.faults.site import Site
from tests.rig.pool import Pool

OUTPUT = Path(__file__).parents[2] / "faults-output"
"""Directory for figures, and for logs of failed scenarios."""

_LOG_LINES = 40


@dataclass(frozen=True)
class Scenario:
    """One fault: ``steps`` makes it strike and lifts it; ``running`` jobs run when it begins."""

    name: str
    group: str
    steps: Callable[[Site], None] = field(repr=False)
    running: int = 2
    keys: dict[str, object] = field(default_factory=dict)
    """Keys of the queue."""
    commands: dict[str, object] = field(default_factory=dict)
    """Submit commands of the jobs."""
    layer: str = ""
    """HTCondor configuration of the machines."""
    settings: dict[str, object] = field(default_factory=dict)
    """Settings of the factory."""
    pool: type[Pool] = Pool

    apart: Callable[[Path], tuple[Figures, int, int]] | None = None
    """Used instead of ``steps``: run all in a process of its own; return figures, jobs and VMs."""

    def run(self, directory: Path, number: int) -> Outcome:
        """Run the scenario, from the start of the daemons to the figures."""
        if self.apart is not None:
            return self._run_apart(directory)
        started = time.monotonic()
        site = Site(directory, f"f{number}", self.keys, self.commands, self.layer, self.pool, self.settings)
        figures, failed = None, ""
        try:
            with site.running():
                if self.running:
                    site.submit(self.running)
                    site.wait_running(self.running)
                self.steps(site)
                figures = site.settle()
        except Exception:  # noqa: BLE001 - part of the outcome
            failed = "\n".join([traceback.format_exc(limit=-3), *_log(site)])
        else:
            if not figures.clean:
                failed = "\n".join(_log(site))
        if failed:
            site.keep_logs(OUTPUT / "logs" / re.sub(r"\W+", "-", self.name))
        return Outcome(self, figures, site.submitted, len(site.book), time.monotonic() - started, failed)

    def _run_apart(self, directory: Path) -> Outcome:
        started, figures, jobs, machines, failed = time.monotonic(), None, 0, 0, ""
        assert self.apart is not None
        try:
            figures, jobs, machines = self.apart(directory)
        except Exception:  # noqa: BLE001 - part of the outcome
            failed = traceback.format_exc(limit=-2)
        return Outcome(self, figures, jobs, machines, time.monotonic() - started, failed)


def _log(site: Site) -> list[str]:
    """Return the last lines of the factory's log, without rounds that changed nothing."""
    lines = site.factory.log_text().splitlines() if hasattr(site, "factory") else []
    return ["the factory's log:", *[line for line in lines if " outcome=none " not in line][-_LOG_LINES:]]


@dataclass(frozen=True)
class Outcome:
    """The outcome of a scenario; ``figures`` is None if it did not complete."""

    scenario: Scenario
    figures: Figures | None
    jobs: int
    machines: int
    took_s: float
    failed: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the outcome for ``faults.json``."""
        figures = self.figures
        return {
            "fault": self.scenario.name,
            "group": self.scenario.group,
            "jobs": self.jobs,
            "vms": self.machines,
            "jobs_lost": figures and figures.lost,
            "jobs_evicted_by_us": figures and figures.evicted,
            "vms_leaked": figures and figures.leaked,
            "vms_above_cap": figures and figures.above,
            "seconds": round(self.took_s, 1),
        }


SCENARIOS: list[Scenario] = []
"""All scenarios, in the order of the table."""


def scenario(name: str, group: str, **more: Any) -> Callable[[Callable[[Site], None]], Callable[[Site], None]]:
    """Register the decorated function as a scenario."""

    def register(steps: Callable[[Site], None]) -> Callable[[Site], None]:
        assert name not in {each.name for each in SCENARIOS}, name
        SCENARIOS.append(Scenario(name, group, steps, **more))
        return steps

    return register


class ScenarioRunner:
    """Run scenarios, ``lanes`` at a time, in the given order."""

    def __init__(self, scenarios: Sequence[Scenario], directory: Path, lanes: int) -> None:
        self._threads = ThreadPoolExecutor(lanes, thread_name_prefix="scenario")
        self._outcomes: dict[str, Future[Outcome]] = {
            each.name: self._threads.submit(each.run, directory / f"s{number}", number)
            for number, each in enumerate(scenarios)
        }

    def outcome(self, name: str) -> Outcome:
        """Return the outcome of a scenario; wait for its end."""
        return self._outcomes[name].result()

    def close(self) -> None:
        """Start no further scenario; wait for those that run."""
        self._threads.shutdown(cancel_futures=True)


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """Return the lines of the table of all outcomes."""
    width = max(len(each.scenario.name) for each in outcomes)
    lines = [f"{'fault':{width}}  lost  evicted  leaked  above cap   VMs  jobs  seconds"]
    group = ""
    for each in outcomes:
        if each.scenario.group != group:
            group = each.scenario.group
            lines.append(f"-- {group}")
        f = each.figures
        columns = _INCOMPLETE if f is None else _columns(f.lost, f.evicted, f.leaked, f.above)
        mark = "" if f is not None and f.clean and not each.failed else "  <--"
        lines.append(
            f"{each.scenario.name:{width}}  {columns}  {each.machines:4}  {each.jobs:4}  {each.took_s:7.0f}{mark}"
        )
    known = [each.figures for each in outcomes if each.figures is not None]
    sums = [sum(getattr(figures, name) for figures in known) for name in ("lost", "evicted", "leaked", "above")]
    lines.append(f"{f'{len(known)} of {len(outcomes)} faults':{width}}  {_columns(*sums)}")
    return lines


_INCOMPLETE = f"{'did not complete':32}"


def _columns(lost: int, evicted: int, leaked: int, above: int) -> str:
    return f"{lost:4}  {evicted:7}  {leaked:6}  {above:9}"
