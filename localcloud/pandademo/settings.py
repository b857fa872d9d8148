"""What the demo plays, the ``queues.conf`` that follows from it, and the pilot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from localcloud.demo.settings import FACTORY
from localcloud.pool import Pool
from localcloud.process import CloudProcess

PILOTS = "BNL_CLOUD"
"""Queue 1, and PanDA's name for it."""
VMS = "BNL_CLOUD-ec2"
"""Queue 2."""

_CONF = """\
[Factory]
factoryId = {factory}
statedir = {statedir}
pool = {collector}
baseLogDir = {logs}
# How often VMs report to the collector; 300 s is usual, a demo is in a hurry.
update_interval = 3

[DEFAULT]
enabled = True
apfqueue.sleep = {sleep_s}

# Jobs that PanDA has activated become pilots in the local pool.
[{pilots}]
wmsstatusplugin = Panda
wmsstatus.panda.url = {panda}
wmsqueue = {pilots}
batchstatusplugin = Condor
batchsubmitplugin = CondorLocal
schedplugin = Ready, MaxPerCycle, MaxPending
sched.maxpercycle.maximum = {max_pilots_per_cycle}
sched.maxpending.maximum = 100
batchsubmit.condorlocal.executable = {wrapper}
executable.arguments = {panda} %(wmsqueue)s {job_s}
batchsubmit.condorlocal.condor_attributes = request_memory = 500,request_disk = 10000

# Pilots that find no machine become VMs, and VMs that no pilot wants go away.
[{vms}]
wmsstatusplugin = CondorLocal
wmsqueue = {pilots}
batchstatusplugin = CondorEC2
batchsubmitplugin = CondorEC2
schedplugin = Ready, MaxPerCycle, MaxToRun, RetireIdle
sched.maxpercycle.maximum = 4
sched.maxtorun.maximum = {max_to_run}
sched.retireidle.after = {retire_after_s}s
batchsubmit.condorec2.gridresource = {url}
batchsubmit.condorec2.ami_id = ami-7a21bd13
batchsubmit.condorec2.instance_type = m5.large
batchsubmit.condorec2.spot_price = 0.156
batchsubmit.condorec2.access_key_id = {access_key}
batchsubmit.condorec2.secret_access_key = {secret_key}
batchsubmit.condorec2.lease = 2d
# At most this part of the VMs begins to leave in one round.
batchsubmit.condorec2.removefraction = 0.5
"""

_PILOT = '''\
#!/usr/bin/env python3
"""A pilot: gets a job from PanDA, runs it, says how it ended. Without a job it ends."""
import json, sys, time, urllib.request

url, queue, seconds = sys.argv[1:]


def call(path, **body):
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["data"]


got = call("pilot/acquire_jobs", site_name=queue)
if got["StatusCode"] == 20:
    print("no job")
else:
    print("job", got["PandaID"], flush=True)
    time.sleep(float(seconds))
    call("pilot/update_job", job_id=got["PandaID"], job_status="finished")
'''


@dataclass(frozen=True)
class Settings:
    """How much of everything."""

    jobs: int = 40
    job_s: int = 10
    sleep_s: int = 3
    """``apfqueue.sleep``."""
    max_pilots_per_cycle: int = 20
    max_to_run: int = 8
    """VMs of two cores each."""
    retire_after_s: int = 5
    timeout_s: float = 220.0


def queues_conf(settings: Settings, panda: str, wrapper: Path, pool: Pool, cloud: CloudProcess, statedir: Path) -> str:
    """The factory's configuration."""
    return _CONF.format(
        factory=FACTORY,
        statedir=statedir,
        collector=pool.address,
        logs=statedir.parent / "pilots",
        pilots=PILOTS,
        vms=VMS,
        panda=panda,
        wrapper=wrapper,
        url=cloud.url,
        access_key=cloud.access_key_file,
        secret_key=cloud.secret_key_file,
        job_s=settings.job_s,
        sleep_s=settings.sleep_s,
        max_pilots_per_cycle=settings.max_pilots_per_cycle,
        max_to_run=settings.max_to_run,
        retire_after_s=settings.retire_after_s,
    )


def write_wrapper(directory: Path) -> Path:
    """The pilot as a file; its path."""
    path = directory / "wrapper"
    path.write_text(_PILOT)
    path.chmod(0o755)
    return path
