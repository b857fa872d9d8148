"""Jobs whose owner wrote into their ads that they run on a VM, or own it: a hint, and no proof (rules 5, 15)."""

from contextlib import ExitStack

from localcloud.process import CloudProcess
from tests.pool.conftest import MakeFactory
from tests.rig.factory import QUEUE, Factory
from tests.rig.orphans import AUDITED, SCHEDD, audit, audits, launched
from tests.rig.wait import until
from tests.rig.work import Work

LEASE_S = 25
"""A job lease that a test can wait for."""


def claims(factory: Factory, vm: str, **attributes: str) -> str:
    """Submit a job that never runs, and edit its ad: it runs on this VM. Return its name."""
    pool = factory.pool
    lines = {f"My.{name}": f'"{value}"' for name, value in attributes.items()}
    cluster = pool.submit({"executable": "/bin/true", "requirements": "false", "My.IsALiar": "true", **lines}, 1)
    for name, value in (("JobStatus", "2"), ("RemoteHost", f'"slot1_1@{vm}@host"')):
        pool.run("condor_qedit", str(cluster), name, value)
    return f"job {cluster}.0 of {pool.user.split('@')[0]}"


def warnings(factory: Factory, job: str) -> list[str]:
    return [line for line in factory.log_text().splitlines() if " WARNING " in line and job in line]


def state_of(cloud: CloudProcess, vm: str) -> str:
    """Return the state of the only instance of a VM."""
    (state,) = [each["state"] for each in cloud.instances().values() if each["tags"].get("apf:vm") == vm]
    return str(state)


def remove_liars(factory: Factory) -> None:
    factory.pool.run("condor_rm", "-constraint", "IsALiar", check=False)


def test_job_that_claims_an_empty_vm_delays_its_end_by_a_job_lease(
    cloud: CloudProcess, make_factory: MakeFactory
) -> None:
    factory = make_factory(factory={"job_lease": LEASE_S}, sched__retireidle__after=8)
    jobs = Work(factory).submit(1)
    with ExitStack() as stack, factory:
        jobs.wait_running()
        (vm,) = until(lambda: [each for each in factory.vms() if each["state"] == "busy"], "the VM is busy", 60)
        stack.callback(remove_liars, factory)
        liar = claims(factory, vm["vm"])
        jobs.open()
        jobs.wait_done()
        until(lambda: warnings(factory, liar), "the job is named", 60)
        assert state_of(cloud, vm["vm"]) == "running"
        (action,) = [each for each in factory.actions("remove") if each["error"] is not None][:1]
        assert f"{liar} is running on {vm['vm']}" in action["error"]
        until(lambda: state_of(cloud, vm["vm"]) == "terminated", "the VM ends", 60)
        assert len(factory.pool.jobs("IsALiar && JobStatus == 2")) == 1, "the job still claims it"
        (line,) = warnings(factory, liar)
        assert vm["vm"] in line
        assert "proven empty" in line


def test_jobs_that_claim_an_orphan_keep_it_for_a_job_lease(cloud: CloudProcess, make_factory: MakeFactory) -> None:
    factory = make_factory(factory={**AUDITED, "job_lease": LEASE_S})
    vm = f"{factory.id}-lost"
    tags = {"apf_factory": factory.id, "apf_queue": QUEUE, "apf_vm": vm, "apf_schedd": SCHEDD}
    with ExitStack() as stack, factory:
        audits(factory, 2)
        stack.callback(remove_liars, factory)
        liar = claims(factory, vm, APFVM=vm, APFFactory=factory.id).split(" of ")[0]
        orphan = stack.enter_context(launched(cloud, tags))
        until(lambda: cloud.instances()[orphan]["state"] == "running", "it runs", 30)
        cloud.client().stop_instances(InstanceIds=[orphan])
        until(lambda: liar in str(audit(factory).get(orphan, {}).get("error")), "the job keeps it", 30)
        until(lambda: cloud.instances()[orphan]["state"] in ("shutting-down", "terminated"), "it is terminated", 60)
        assert len(factory.pool.jobs("IsALiar && JobStatus == 2")) == 1, "the job still claims it"
        assert len(warnings(factory, liar)) == 1
