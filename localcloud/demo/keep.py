"""KEEP=1: leave pool, cloud and factory running, so that people can look around."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from localcloud.demo.scenario import Scenario
from localcloud.demo.testbed import Testbed
from localcloud.demo.view import DemoView

_COMMANDS = {
    "condor_q -allusers": "jobs, including the VM jobs",
    "condor_status": "slots of the VMs",
    "condor_history": "completed jobs",
    "apf status --conf queues.conf": "the factory's view, with reasons",
    "tail -f factory.log": "the factory's decisions and actions",
    "tail -f cloud/localcloud.log": "the cloud's requests and instances",
}

_ENTER = """\
All of this runs in the sandbox. To enter it from another terminal:

  nsenter -t $(pgrep -xf '{command}') -U -m -n -p -i -u --preserve-credentials bash
"""

_ENVIRONMENT = """\
To use these commands in a shell:

  export CONDOR_CONFIG={config} PATH={path}; cd {directory}

Kill this process to end everything.
"""


def keep_running(testbed: Testbed, scenario: Scenario, view: DemoView) -> None:
    """Open a shell if there is a terminal, and wait until it exits; otherwise wait until killed."""
    commands = _COMMANDS | scenario.commands(testbed.directory)
    view.say(f"\nPool, cloud and factory keep running, in {testbed.directory}. To look around there:\n")
    for command, meaning in commands.items():
        view.say(f"  {command:34}  {meaning}")
    view.say("")
    if sys.stdin.isatty() and sys.stdout.isatty():
        view.say("This shell uses the pool (CONDOR_CONFIG is set). Type `exit` to end everything.\n")
        shell = os.environ.get("SHELL", "/bin/sh")
        subprocess.run([shell], env=testbed.pool.env, cwd=testbed.directory, check=False)
    else:
        if "APF_SANDBOX" in os.environ:
            view.say(_ENTER.format(command=" ".join(sys.orig_argv)))
        config = testbed.pool.directory / "condor_config"
        path = os.environ.get("PATH", "")
        view.say(_ENVIRONMENT.format(config=config, path=path, directory=testbed.directory))
        signal.pause()
