"""Scenario ``panda``: PanDA's jobs become pilots, and idle pilots become VMs, through the two queues of a site.

The PanDA server is a stand-in (``localcloud.panda``) that gives its jobs to the pilots and records their end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from localcloud.demo.scenario.base import DemoSettings, Scenario
from localcloud.panda import PandaServer
from localcloud.pool import Pool
from localcloud.process import CloudProcess

PILOT_QUEUE = "BNL_CLOUD"
"""The queue that submits pilots, also PanDA's name for it."""

_QUEUES = """\
baseLogDir = {logs}

[DEFAULT]
enabled = True
apfqueue.sleep = {sleep_s}

# Submit a pilot to the local pool for each job that PanDA has activated.
[{pilot_queue}]
wmsstatusplugin = Panda
wmsstatus.panda.url = {panda}
wmsqueue = {pilot_queue}
batchstatusplugin = Condor
batchsubmitplugin = CondorLocal
schedplugin = Ready, MaxPerCycle, MaxPending
sched.maxpercycle.maximum = 20
sched.maxpending.maximum = 100
batchsubmit.condorlocal.executable = {pilot}
executable.arguments = {panda} %(wmsqueue)s {job_s}
batchsubmit.condorlocal.condor_attributes = request_memory = 500,request_disk = 10000

# Buy VMs for idle pilots, and retire idle VMs.
[{vm_queue}]
wmsstatusplugin = CondorLocal
wmsqueue = {pilot_queue}
schedplugin = Ready, MaxPerCycle, MaxToRun, RetireIdle
sched.maxpercycle.maximum = {max_per_cycle}
sched.maxtorun.maximum = {max_to_run}
sched.retireidle.after = {retire_after_s}s
batchsubmit.condorec2.spot_price = 0.156
"""

_PILOT = '''\
#!/usr/bin/env python3
"""A pilot: get a job from PanDA, run it and report its end. Without a job, end at once."""
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


class PandaScenario(Scenario):
    """Jobs of PanDA, run by pilots."""

    name = "panda"
    noun = "pilot"
    vm_queue = "BNL_CLOUD-ec2"
    defaults = DemoSettings(jobs=40, second=0, job_s=10, max_to_run=8)
    factory_submits = True

    def __init__(self, settings: DemoSettings) -> None:
        super().__init__(settings)
        self.panda = PandaServer()

    @contextmanager
    def services(self, directory: Path) -> Iterator[None]:
        pilot = directory / "pilot"
        pilot.write_text(_PILOT)
        pilot.chmod(0o755)
        self.panda.set(PILOT_QUEUE)
        with self.panda:
            yield

    def queues_conf(self, directory: Path, pool: Pool, cloud: CloudProcess) -> str:
        queues = _QUEUES.format(
            logs=directory / "pilots",
            pilot_queue=PILOT_QUEUE,
            vm_queue=self.vm_queue,
            panda=self.panda.url,
            pilot=directory / "pilot",
            job_s=self.settings.job_s,
            sleep_s=self.settings.sleep_s,
            max_per_cycle=self.settings.max_per_cycle,
            max_to_run=self.settings.max_to_run,
            retire_after_s=self.settings.retire_after_s,
        )
        return self._factory_section(directory, pool) + queues + self._ec2_keys(cloud)

    def submit(self, directory: Path, pool: Pool, jobs: int) -> str:
        self.panda.activate(PILOT_QUEUE, jobs)
        return f"PanDA has activated {jobs} jobs for {PILOT_QUEUE}, {self.settings.job_s} s each."

    def work(self, submitted: int, idle: int, running: int) -> Mapping[str, Mapping[str, int]]:
        jobs = self.panda.counts(PILOT_QUEUE)
        states = ("activated", "running", "finished")
        return {
            "PanDA jobs": {state: jobs.get(state, 0) for state in states},
            "pilots": {"idle": idle, "running": running},
        }

    def event_logs(self, directory: Path) -> list[Path]:
        return sorted((directory / "pilots").glob("*/*/*.log"))

    def figures(self, submitted: int, pool_jobs: int) -> dict[str, int]:
        finished = self.panda.counts(PILOT_QUEUE).get("finished", 0)
        return {
            "PanDA jobs activated": submitted,
            "PanDA jobs finished": finished,
            "pilots without a job": pool_jobs - finished,
        }

    def failures(self, submitted: int) -> list[str]:
        jobs = self.panda.counts(PILOT_QUEUE)
        finished = jobs.get("finished", 0)
        left = sum(jobs.values()) - finished
        if finished == submitted and not left:
            return []
        return [f"{submitted - finished} of {submitted} PanDA jobs did not finish"]
