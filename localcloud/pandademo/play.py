"""The play: PanDA has jobs; until they are done and everything is gone."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.console import Console

from localcloud.demo.journal import Entry, vm_states
from localcloud.demo.show import listed, told
from localcloud.demo.stage import Stage
from localcloud.panda import PandaServer
from localcloud.pandademo.settings import PILOTS, VMS, Settings


@dataclass(frozen=True)
class Sight:
    """One moment, from the real sources."""

    panda: Mapping[str, int] = field(default_factory=dict)
    """PanDA's jobs by state."""
    idle: int = 0
    """Pilots that wait."""
    running: int = 0
    """Pilots that run."""
    vm_jobs: int = 0
    vms: Mapping[str, int] = field(default_factory=dict)
    """VMs by state as the factory saw them last."""
    alive: int = 0
    """Instances that are not terminated."""

    @property
    def quiet(self) -> bool:
        """PanDA has no job that is not finished, and there is no pilot, no VM job, no instance."""
        work = self.panda.get("activated", 0) + self.panda.get("running", 0)
        return not (work or self.idle or self.running or self.vm_jobs or self.alive or self.vms)

    def __str__(self) -> str:
        panda = ", ".join(f"{self.panda.get(state, 0)} {state}" for state in ("activated", "running", "finished"))
        return f"PanDA: {panda}   pilots: {self.idle} idle, {self.running} running   VMs: {listed(self.vms)}"


def play(stage: Stage, panda: PandaServer, settings: Settings, console: Console) -> float | None:
    """Give PanDA its jobs and wait until all is over; how long that took, or None: it was given up.

    Raises:
        DemoFailed: the factory ended by itself.
    """

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    began = time.monotonic()
    say(f"\nPanDA activates {settings.jobs} jobs of {settings.job_s} s for {PILOTS}.")
    panda.set(PILOTS, activated=settings.jobs)
    last = ""
    decided: dict[str, list[str]] = {}
    while True:
        stage.check()
        new = stage.journal.new()
        sight = look(stage, panda)
        elapsed_s = time.monotonic() - began
        for entry in new:
            lines = told(entry)
            if decided.get(entry["queue"]) != lines:
                for line in lines:
                    say(f"{elapsed_s:6.1f} s  {entry['queue']}: {line}")
            decided[entry["queue"]] = lines
        if str(sight) != last:
            last = str(sight)
            say(f"{elapsed_s:6.1f} s  {last}")
        if sight.quiet:
            return elapsed_s
        if elapsed_s > settings.timeout_s:
            say(f"Not over after {settings.timeout_s:.0f} s; giving up.")
            return None
        time.sleep(0.5)


def look(stage: Stage, panda: PandaServer) -> Sight:
    """Look at PanDA, schedd, cloud and journal."""
    in_queue = stage.pool.jobs("true", "JobStatus", "APFVM")
    pilots = Counter(ad["JobStatus"] for ad in in_queue if "APFVM" not in ad)
    return Sight(
        panda=panda.counts(PILOTS),
        idle=pilots[1] + pilots[5],
        running=pilots[2] + pilots[6] + pilots[7],
        vm_jobs=sum(1 for ad in in_queue if "APFVM" in ad),
        vms=vm_states(_last(stage.journal.entries, VMS)),
        alive=sum(count for state, count in stage.cloud.states().items() if state != "terminated"),
    )


def _last(entries: list[Entry], queue: str) -> Entry:
    return next((entry for entry in reversed(entries) if entry["queue"] == queue), {"states": {}})
