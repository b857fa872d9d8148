"""Scenario ``jobs``: a user's idle jobs become VMs, through one queue with the chain Fit, MaxPerCycle, MaxToRun."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from localcloud.demo.scenario.base import DemoSettings, Scenario
from localcloud.pool import Pool
from localcloud.process import CloudProcess

_QUEUE = """\

# Buy VMs of the local cloud for idle jobs of this pool, and retire VMs without work.
[{queue}]
enabled = True
# Seconds between two decisions.
apfqueue.sleep = {sleep_s}

# The work: all jobs of the local schedd, of any queue.
wmsstatusplugin = CondorLocal
wmsqueue = ANY

# Fit: the VMs that the jobs need beyond those that are up or starting; retires VMs that no job can use.
# MaxPerCycle: a few VMs at a time. MaxToRun: a limit on VMs at once.
schedplugin = Fit, MaxPerCycle, MaxToRun
sched.fit.after = {retire_after_s}s
sched.maxpercycle.maximum = {max_per_cycle}
sched.maxtorun.maximum = {max_to_run}

# The VMs: instances of the local cloud.
"""

_JOBS = """\
# Jobs of one and of two cores, as any user submits them. They know nothing of clouds.
executable          = /bin/sleep
transfer_executable = false
arguments           = {seconds}
request_cpus        = $(cores)
request_memory      = 200MB
request_disk        = 10MB
# Jobs of two cores start first; otherwise jobs of one core could occupy half of each VM.
priority            = $(cores)
log                 = {log}
queue cores in ({cores})
"""


class JobsScenario(Scenario):
    """Jobs of one and two cores in two ramps."""

    name = "jobs"
    noun = "job"
    vm_queue = "DEMO_CLOUD"
    # The limit exceeds the second ramp's needs, so that its jobs and not the limit determine the number of VMs.
    defaults = DemoSettings(jobs=24, second=8, job_s=15, max_to_run=10)

    def queues_conf(self, directory: Path, pool: Pool, cloud: CloudProcess) -> str:
        queue = _QUEUE.format(
            queue=self.vm_queue,
            sleep_s=self.settings.sleep_s,
            retire_after_s=self.settings.retire_after_s,
            max_per_cycle=self.settings.max_per_cycle,
            max_to_run=self.settings.max_to_run,
        )
        return self._factory_section(directory, pool) + queue + self._ec2_keys(cloud)

    def submit(self, directory: Path, pool: Pool, jobs: int) -> str:
        pool.submit(jobs_description(jobs, self.settings.job_s, directory / "jobs.log"))
        return f"{pool.user} has submitted {jobs} jobs of one or two cores, {self.settings.job_s} s each."

    def work(self, submitted: int, idle: int, running: int) -> Mapping[str, Mapping[str, int]]:
        return {"jobs": {"idle": idle, "running": running, "done": submitted - idle - running}}

    def event_logs(self, directory: Path) -> list[Path]:
        return [directory / "jobs.log"]

    def vms_needed(self, jobs: int) -> int:
        """Return the number of VMs that ``Fit`` buys for jobs of alternately one and two cores, up to the limit."""
        ones, twos = -(-jobs // 2), jobs // 2
        return min(twos + -(-ones // 2), self.settings.max_to_run)

    def commands(self, directory: Path) -> dict[str, str]:
        more = self.settings.ramps[-1]
        description = jobs_description(more, self.settings.job_s, directory / "jobs.log")
        (directory / "jobs.sub").write_text(description)
        return {"condor_submit jobs.sub": "submit the jobs of another ramp"}


def jobs_description(count: int, seconds: int, log: Path) -> str:
    """Return a submit description of ``count`` sleep jobs, alternately of one and of two cores."""
    cores = ", ".join(str(1 + number % 2) for number in range(count))
    return _JOBS.format(seconds=seconds, log=log, cores=cores)
