"""The factory killed with -9 in each step of an audit; the next audit completes the step."""

from __future__ import annotations

import os
import signal
from functools import partial
from typing import Literal

from tests.faults.cloudfaults import Answers
from tests.faults.machines import SHORT_JOB_LEASE, SPOT, victim
from tests.faults.ours import dies_at
from tests.faults.scenario import scenario
from tests.faults.site import Site

GROUP = "the factory killed with -9, in an audit"


def _dies_asking(site: Site, action: str, how: Literal["dropped", "lost"]) -> None:
    """Kill the factory while its audit waits for the cloud's answer, and start it again."""
    with site.cloud_breaks(Answers(how, (action,), agent="Boto3", seconds=20)):
        site.wait_hits(1, action)
        site.factory.kill()
    site.factory.start()


def _reaps(site: Site, when: str, how: Literal["dropped", "lost"]) -> None:
    """HTCondor gives up two busy VMs. The audit drains and terminates them, and deletes a leftover key pair."""
    with site.cloud_breaks(Answers("garbage", ("DescribeInstances",))):
        site.wait(lambda: not site.factory.vm_jobs(), "both VM jobs left the queue")
    dies_at(site, f"audit: {when} condor_drain")
    site.wait(site.draining, "one VM drains")
    assert sum(not run.ended for run in site.runs()) == 2, "both jobs run on"

    name = f"SSH_{site.pool.address}_{site.pool.history('JobUniverse == 9')[0]['GlobalJobId']}"
    site.cloud.client().create_key_pair(KeyName=name)
    _dies_asking(site, "DeleteKeyPair", how)
    site.wait(lambda: not site.cloud.client().describe_key_pairs()["KeyPairs"], "the key pair is deleted")

    site.open_gate()
    _dies_asking(site, "TerminateInstances", how)


@scenario("before and after an audit removes a VM job", GROUP, commands=SHORT_JOB_LEASE)
def _removes(site: Site) -> None:
    """The cloud ends an instance while the gridmanager is stopped, so that its VM job waits for it."""
    pid = site.grid_pid("condor_gridmanager")
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    site.cloud.end(victim(site), SPOT)
    dies_at(site, "audit: before remove")
    dies_at(site, "audit: after remove")
    os.kill(pid, signal.SIGCONT)


for _title, _story in {
    "before each step of an audit": partial(_reaps, when="before", how="dropped"),
    "after each step of an audit": partial(_reaps, when="after", how="lost"),
}.items():
    scenario(_title, GROUP)(_story)
