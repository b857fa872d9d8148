"""The play: jobs come, VMs come and go; and once more."""

from __future__ import annotations

import time
from dataclasses import dataclass

from localcloud.demo.settings import Settings, jobs_description
from localcloud.demo.show import Show
from localcloud.demo.sight import look
from localcloud.demo.stage import DemoFailed, Stage


@dataclass(frozen=True)
class Ramp:
    """Jobs that came together, and until when all was quiet again. Epoch seconds."""

    cluster: int
    jobs: int
    began: float
    ended: float | None = None
    """None: it was given up."""


def play(stage: Stage, settings: Settings, show: Show) -> list[Ramp]:
    """Play all ramps; one that is not over in time ends the play.

    Raises:
        DemoFailed: the factory ended by itself.
    """
    ramps: list[Ramp] = []
    for jobs in (settings.jobs, settings.second):
        if jobs and (not ramps or ramps[-1].ended is not None):
            submitted = sum(ramp.jobs for ramp in ramps) + jobs
            show.say(f"\n{stage.pool.user} submits {jobs} jobs of one and two cores, {settings.job_s} s each.")
            ramps.append(_ramp(stage, settings, show, jobs, submitted))
    return ramps


def _ramp(stage: Stage, settings: Settings, show: Show, jobs: int, submitted: int) -> Ramp:
    began = time.time()
    cluster = stage.pool.submit(jobs_description(jobs, settings.job_s, stage.job_log))
    while True:
        stage.check()
        sight = look(stage, submitted)
        show.see(sight)
        if sight.quiet:
            show.say(f"All {jobs} jobs have left the queue and all VMs are gone, {sight.at - began:.0f} s later.")
            return Ramp(cluster, jobs, began, sight.at)
        if sight.at - began > settings.ramp_timeout_s:
            show.say(f"Not over after {settings.ramp_timeout_s:.0f} s; giving up.")
            return Ramp(cluster, jobs, began)
        time.sleep(0.5)


__all__ = ["DemoFailed", "Ramp", "play"]
