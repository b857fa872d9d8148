"""Faults that users make: odd jobs, and jobs whose ads say what is not true."""

from __future__ import annotations

from functools import partial

from tests.faults.cloudfaults import Answers
from tests.faults.scenario import scenario
from tests.faults.site import Site

GROUP = "other people's jobs"

_VM_JOBS = "JobUniverse == 9"

claimed = partial(scenario, group=GROUP, settings={"job_lease": 30})


def _claim(site: Site, vm: str, **attributes: str) -> None:
    """Submit a job that never runs; its ad says that it runs on this VM."""
    lines = {f"My.{name}": f'"{value}"' for name, value in attributes.items()}
    cluster = site.pool.submit({"executable": "/bin/true", "requirements": "false", **lines})
    for name, value in (("JobStatus", "2"), ("RemoteHost", f'"slot1_1@{vm}@host"')):
        site.pool.run("condor_qedit", str(cluster), name, value)


@claimed("a job claims to run on an idle VM")
def _idle(site: Site) -> None:
    """Its word delays the end of the VM by the lease of a job."""
    claims = [vm["vm"] for vm in site.factory.vms()]
    for vm in claims:
        _claim(site, vm)
    site.open_gate()
    site.wait(lambda: site.factory.log_text().count("which is proven empty") >= len(claims), "both jobs are named")


@claimed("a job claims to own an orphan, and to run on it")
def _orphan(site: Site) -> None:
    """Its VM job was removed by hand, and the answer to the termination was garbage."""
    with site.cloud_breaks(Answers("garbage", ("TerminateInstances", "DescribeInstances"))):
        jobs = site.pool.jobs(_VM_JOBS, "ClusterId", "APFVM")
        for job in jobs:
            _claim(site, job["APFVM"], APFVM=job["APFVM"], APFFactory=site.factory.id)
        site.pool.run("condor_rm", *[str(job["ClusterId"]) for job in jobs])
        site.wait(lambda: not site.pool.jobs(_VM_JOBS), "the VM jobs leave the queue", 180)
    site.health_reset()


@scenario("odd jobs of every kind wait with the others", GROUP)
def _odd(site: Site) -> None:
    """They are left out, and the jobs that are submitted after them get their machines."""
    for lines in (
        {"request_memory": "max({RequestMemory, 2000})"},
        {"request_memory": "1e400"},
        {"My.ConcurrencyLimits": "ConcurrencyLimits"},
        {"requirements": "Foo", "My.Foo": "Foo"},
        {"My.DeferralTime": '"x"'},
        {"My.AutoClusterId": "{1, 2}", "hold": "true"},
    ):
        of = {"executable": "/bin/true", "My.MATCH_APF_QUEUE": f'"{site.factory.id}"', "My.IsOdd": "true"}
        site.pool.submit(of | lines)
    site.submit(1)
    site.wait_until_runs(3)
    site.pool.run("condor_rm", "-constraint", "IsOdd")
