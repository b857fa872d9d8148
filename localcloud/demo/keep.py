"""KEEP=1: the pool, the cloud and the factory go on, for people to look around."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from localcloud.demo.settings import Settings, jobs_description
from localcloud.demo.show import Show
from localcloud.demo.stage import Stage

_GUIDE = """
Pool, cloud and factory go on. To look around:

  condor_q -allusers                           jobs, and the VMs, which are jobs too
  condor_status                                VMs that have joined
  condor_history                               jobs that are done
  apf status --conf {conf}   the factory's view, with reasons
  tail -f {log}              what it decides, as it goes
  condor_submit {jobs}         8 jobs more: the third ramp
  curl -s {url}_localcloud/instances   what the cloud has
"""


def keep(stage: Stage, settings: Settings, show: Show) -> None:
    """Give a shell if there is a terminal; else wait until killed."""
    jobs = stage.directory / "jobs.sub"
    jobs.write_text(jobs_description(8, settings.job_s, stage.job_log))
    show.say(_GUIDE.format(conf=stage.conf, log=stage.factory_log, jobs=jobs, url=stage.cloud.endpoint_url))
    if sys.stdin.isatty() and sys.stdout.isatty():
        show.say("This shell knows the pool (CONDOR_CONFIG is set). `exit` ends everything.\n")
        shell = os.environ.get("SHELL", "/bin/sh")
        subprocess.run([shell], env=stage.pool.env, cwd=stage.directory, check=False)
    else:
        show.say(f"In a shell with CONDOR_CONFIG={stage.pool.directory / 'condor_config'}. Ends when it is killed.")
        signal.pause()
