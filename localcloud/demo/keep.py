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
Pool, cloud and factory go on, in {directory}. To look around there:

  condor_q -allusers                  jobs, and the VMs, which are jobs too
  condor_status                       VMs that have joined
  condor_history                      jobs that are done
  apf status --conf queues.conf       the factory's view, with reasons
  tail -f factory.log                 what it decides, as it goes
  tail -f cloud/localcloud.log        what the cloud does
  condor_submit jobs.sub              {jobs} jobs more: one more ramp
"""

_ENTER = """\
All that is in the sandbox. Another terminal gets there by

  nsenter -t $(pgrep -xf 'python -m localcloud.demo') -U -m -n -p -i -u --preserve-credentials bash
"""

_NEEDS = """\
A shell needs

  export CONDOR_CONFIG={config} PATH={path}; cd {directory}

All ends when this is killed.
"""


def keep(stage: Stage, settings: Settings, show: Show) -> None:
    """Give a shell if there is a terminal; else wait until killed."""
    more = max(1, settings.second)
    (stage.directory / "jobs.sub").write_text(jobs_description(more, settings.job_s, stage.job_log))
    show.say(_GUIDE.format(directory=stage.directory, jobs=more))
    if sys.stdin.isatty() and sys.stdout.isatty():
        show.say("This shell knows the pool (CONDOR_CONFIG is set). `exit` ends everything.\n")
        shell = os.environ.get("SHELL", "/bin/sh")
        subprocess.run([shell], env=stage.pool.env, cwd=stage.directory, check=False)
    else:
        if "APF_SANDBOX" in os.environ:
            show.say(_ENTER)
        config = stage.pool.directory / "condor_config"
        show.say(_NEEDS.format(config=config, path=os.environ.get("PATH", ""), directory=stage.directory))
        signal.pause()
