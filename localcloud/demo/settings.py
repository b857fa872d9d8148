"""What the demo plays, and the ``queues.conf`` and the jobs that follow from it."""

from dataclasses import dataclass
from pathlib import Path

from localcloud.pool import Pool
from localcloud.process import CloudProcess

FACTORY = "demo"
QUEUE = "DEMO_CLOUD"

_CONF = """\
# Idle jobs of this pool become VMs of the local cloud, and VMs that nobody wants go away.
[Factory]
factoryId = {factory}
statedir = {statedir}
pool = {collector}
# How often VMs report to the collector; 300 s is usual, a demo is in a hurry.
update_interval = 3

[{queue}]
enabled = True
# Seconds between two decisions.
apfqueue.sleep = {sleep_s}

# The work: jobs of the local schedd, whatever they say of queues. What there is already: VMs of this queue.
wmsstatusplugin = CondorLocal
wmsqueue = ANY
batchstatusplugin = CondorEC2

# The VMs that the waiting jobs need, beyond those that are there or under way, a few at a time, not too many at once;
# one that no job can use and that has been idle for a while goes.
schedplugin = Fit, MaxPerCycle, MaxToRun
sched.fit.after = {retire_after_s}s
sched.maxpercycle.maximum = {max_per_cycle}
sched.maxtorun.maximum = {max_to_run}

batchsubmitplugin = CondorEC2
batchsubmit.condorec2.gridresource = {url}
batchsubmit.condorec2.access_key_id = {access_key}
batchsubmit.condorec2.secret_access_key = {secret_key}
batchsubmit.condorec2.ami_id = ami-12c6146b
batchsubmit.condorec2.instance_type = {instance_type}
batchsubmit.condorec2.lease = 1h
# At most this part of the VMs begins to leave in one round.
batchsubmit.condorec2.removefraction = 0.5
"""

_JOBS = """\
# Jobs of one and of two cores, as any user would submit them. They know nothing of clouds.
executable          = /bin/sleep
transfer_executable = false
arguments           = {seconds}
request_cpus        = $(cores)
request_memory      = 200MB
request_disk        = 10MB
# The large ones first, or a small one may leave each machine half empty and no machine whole.
priority            = $(cores)
log                 = {log}
queue cores in ({cores})
"""


@dataclass(frozen=True)
class Settings:
    """How much of everything."""

    jobs: int = 24
    second: int = 8
    """Jobs of the second ramp; 0: no second ramp."""
    job_s: int = 15
    sleep_s: int = 3
    """``apfqueue.sleep``."""
    max_per_cycle: int = 4
    max_to_run: int = 10
    """More than ``second``, so that the second ramp is bounded by its jobs and not by the cap."""
    retire_after_s: int = 5
    instance_type: str = "m5.large"
    """Two cores: a VM runs one job of two cores, or two of one."""
    ramp_timeout_s: float = 240.0
    first_vm_s: float = 5.0
    """The first VM is requested within ``sleep_s`` and this."""
    whole_s: float = 300.0
    """All of it takes no longer."""

    def vms_by_law(self, jobs: int) -> int:
        """How many VMs ``Fit`` buys for so many jobs of one core and of two in turn, up to the cap."""
        ones, twos = -(-jobs // 2), jobs // 2
        return min(twos + -(-ones // 2), self.max_to_run)


def queues_conf(settings: Settings, pool: Pool, cloud: CloudProcess, statedir: Path) -> str:
    """The factory's configuration."""
    return _CONF.format(
        factory=FACTORY,
        queue=QUEUE,
        statedir=statedir,
        collector=pool.address,
        url=cloud.url,
        access_key=cloud.access_key_file,
        secret_key=cloud.secret_key_file,
        sleep_s=settings.sleep_s,
        max_per_cycle=settings.max_per_cycle,
        max_to_run=settings.max_to_run,
        retire_after_s=settings.retire_after_s,
        instance_type=settings.instance_type,
    )


def jobs_description(count: int, seconds: int, log: Path) -> str:
    """A submit description of ``count`` jobs that sleep, in turn of one core and of two."""
    cores = ", ".join(str(1 + number % 2) for number in range(count))
    return _JOBS.format(seconds=seconds, log=log, cores=cores)
