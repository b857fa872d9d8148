"""Ramps: submit work, and wait until it is done and all VMs are gone."""

from __future__ import annotations

import time
from dataclasses import dataclass

from localcloud.demo.progress import read_progress
from localcloud.demo.scenario import Scenario
from localcloud.demo.testbed import Testbed
from localcloud.demo.view import DemoView

_INTERVAL_S = 0.5


@dataclass(frozen=True)
class Ramp:
    """Jobs submitted together. Times are epoch seconds."""

    jobs: int
    began: float
    ended: float | None = None
    """Time when all jobs were done and all VMs gone; None if the demo gave up."""


def run_ramps(testbed: Testbed, scenario: Scenario, view: DemoView) -> tuple[Ramp, ...]:
    """Run all ramps; the first one that does not end is the last.

    Raises:
        DemoFailed: the factory ended.
    """
    ramps: list[Ramp] = []
    for jobs in scenario.settings.ramps:
        ramps.append(_run(testbed, scenario, view, jobs, sum(ramp.jobs for ramp in ramps) + jobs))
        if ramps[-1].ended is None:
            break
    return tuple(ramps)


def _run(testbed: Testbed, scenario: Scenario, view: DemoView, jobs: int, submitted: int) -> Ramp:
    began = changed = time.time()
    view.say("\n" + scenario.submit(testbed.directory, testbed.pool, jobs))
    before: object = None
    while True:
        testbed.check()
        progress = read_progress(testbed, scenario, submitted)
        view.update(progress)
        if progress.quiet:
            view.say(
                f"All {jobs} jobs are done and all VMs are gone, {progress.at - began:.0f} s after the submission."
            )
            return Ramp(jobs, began, progress.at)
        if progress.counts != before:
            before, changed = progress.counts, progress.at
        if progress.at > min(changed + scenario.settings.stall_s, began + scenario.settings.ramp_limit_s):
            view.say(f"Giving up after {progress.at - began:.0f} s; last change {progress.at - changed:.0f} s ago.")
            return Ramp(jobs, began)
        time.sleep(_INTERVAL_S)
