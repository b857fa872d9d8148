"""VMs retire and unretire. All tests share one factory; each has its own queue."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from factory.condor.schedd import actions as acts
from factory.model.address import ScheddAddress
from factory.model.vm import JobId
from factory.process.workers import CallFailed, Workers
from localcloud.process import CloudProcess
from tests.rig.factory import Factory, ec2_queue, instances, removed_at_end
from tests.rig.pool import Pool
from tests.rig.wait import until
from tests.rig.work import Batch, Work

MAXIMUM = "sched.maxtorun.maximum"


@dataclass
class Ramp:
    """A factory with a busy machine in each queue."""

    factory: Factory
    cloud: CloudProcess
    work: dict[str, Work]
    jobs: dict[str, Batch]

    def vm(self, queue: str) -> dict[str, Any]:
        """Return the only VM of a queue; empty after it has ended."""
        vms = self.factory.vms(queue)
        assert len(vms) <= 1, vms
        return vms[0] if vms else {}

    def set_maximum(self, queue: str, maximum: int) -> None:
        """Set the maximum number of VMs of the queue."""
        self.factory.queues[queue][MAXIMUM] = maximum
        self.factory.reload()

    def until_state(self, queue: str, state: str, timeout_s: float = 30) -> None:
        """Wait until its VM has a state."""
        until(lambda: self.vm(queue).get("state") == state, f"the VM of {queue} is {state}", timeout_s)

    def machines(self, queue: str) -> list[dict[str, Any]]:
        """Return all instances that the queue ever had."""
        return [m for m in instances(self.cloud, self.factory) if m["tags"]["apf:queue"] == queue]

    def until_gone(self, queue: str) -> None:
        """Wait until the queue has no VM; assert that its only instance is terminated."""
        until(lambda: not self.factory.vms(queue), f"the VM of {queue} has gone", 40)
        until(lambda: [m["state"] for m in self.machines(queue)] == ["terminated"], "its instance is terminated", 20)

    def done(self, queue: str) -> list[dict[str, Any]]:
        """Return all actions in this queue."""
        entries = [entry for entry in self.factory.journal() if entry["queue"] == queue]
        return [action for entry in entries for action in entry["actions"]]

    def taken(self, queue: str, kind: str) -> list[dict[str, Any]]:
        """Return all actions of this kind."""
        return [action for action in self.done(queue) if action["kind"] == kind]

    def stop_queue(self, queue: str) -> None:
        """Stop purchases of the queue."""
        self.factory.queues[queue]["enabled"] = False
        self.factory.reload()


@pytest.fixture(scope="module")
def ramp(pool: Pool, cloud: CloudProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ramp]:
    queues = {
        "DRAIN": ec2_queue(cloud, "DRAIN"),
        "OFF": ec2_queue(cloud, "OFF", batchsubmit__condorec2__retire="off", batchsubmit__condorec2__maxinstances=1),
        "BACK": ec2_queue(cloud, "BACK"),
        "LEASE": ec2_queue(
            cloud, "LEASE", batchsubmit__condorec2__lease=60, batchsubmit__condorec2__lease_max="1h",
            batchsubmit__condorec2__drain_before=0, sched__retireidle__after="1h",
        ),
        "LONGER": ec2_queue(
            cloud, "LONGER", batchsubmit__condorec2__lease=105, batchsubmit__condorec2__lease_max="1h",
            batchsubmit__condorec2__drain_before=0, sched__retireidle__after="1h",
            sched__maxtorun__maximum=1,
        ),
        "THEIRS": ec2_queue(
            cloud, "THEIRS", schedplugin="KeepNRunning", sched__keepnrunning__keep_running=1,
            batchsubmit__condorec2__maxinstances=1,
        ),
    }  # fmt: skip
    factory = Factory(tmp_path_factory.mktemp("retirement"), pool, "retirement", queues)
    work = {name: Work(factory, name) for name in queues}
    jobs = {name: work[name].submit(1) for name in queues}
    with removed_at_end(factory), factory:
        for batch in jobs.values():
            batch.wait_running()
        until(lambda: all(factory.states(name) == {"busy": 1} for name in queues), "each has its busy VM", 20)
        yield Ramp(factory, cloud, work, jobs)


def test_vm_retires_before_its_lease_ends_and_returns_if_extended(ramp: Ramp) -> None:
    """Its job keeps running."""
    ramp.factory.queues["LONGER"]["batchsubmit.condorec2.drain_before"] = 104
    ramp.factory.reload()
    ramp.until_state("LONGER", "retiring")
    assert "lease ends in" in ramp.taken("LONGER", "retire")[0]["reason"]
    uuid, end = ramp.vm("LONGER")["vm"], ramp.vm("LONGER")["lease_end"]

    beyond = ramp.factory.run("lease", "extend", uuid, "1h")
    assert beyond.returncode == 1
    assert f"VM {uuid} " in beyond.stdout
    assert "NOT extended: lease_max is" in beyond.stdout
    assert "extend by at most 3495s" in beyond.stdout

    extended = ramp.factory.run("lease", "extend", "LONGER", "50m")
    assert extended.returncode == 0, extended.stderr
    assert f"VM {uuid} " in extended.stdout
    assert "1 of 1 extended" in extended.stdout
    ramp.work["LONGER"].submit(1)
    ramp.until_state("LONGER", "busy")
    assert ramp.vm("LONGER")["lease_end"] == end + 3000
    assert len(ramp.taken("LONGER", "submit")) == 1, "only the first VM was bought"
    assert ramp.factory.run("lease", "extend", "LONGRE", "1h").returncode == 2


def test_unretires_a_draining_vm_before_buying(ramp: Ramp, pool: Pool) -> None:
    """An unretired VM costs nothing (rule 7)."""
    ramp.jobs["LEASE"].open()
    ramp.set_maximum("DRAIN", 0)
    ramp.until_state("DRAIN", "retiring")
    uuid = ramp.vm("DRAIN")["vm"]
    slots = until(lambda: pool.slots(f'APFVM == "{uuid}" && Draining'), "it drains", 10)
    assert slots[0]["DrainReason"].startswith("apf retirement: ")

    more = ramp.work["DRAIN"].submit(1)
    ramp.set_maximum("DRAIN", 1)
    ramp.until_state("DRAIN", "busy")
    assert not pool.slots(f'APFVM == "{uuid}" && Draining')
    until(lambda: ramp.taken("DRAIN", "clearretire"), "its mark is cleared", 10)
    assert ramp.vm("DRAIN")["vm"] == uuid
    assert len(ramp.taken("DRAIN", "unretire")) == 1
    assert len(ramp.taken("DRAIN", "submit")) == 1, "only the first VM was bought"
    more.open()


def test_never_removes_a_vm_with_a_running_job(ramp: Ramp, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schedd decides whether the VM is empty (rule 5)."""
    monkeypatch.setenv("CONDOR_CONFIG", pool.env["CONDOR_CONFIG"])
    vm = ramp.vm("OFF")
    cluster, proc = map(int, vm["job"].split("."))
    workers = Workers()
    for name in (vm["startd"], vm["vm"]):  # with and without its host
        with pytest.raises(CallFailed, match=f"is running on {name}"):
            workers.call("schedd", 30, acts.remove, ScheddAddress(), JobId(cluster, proc), "true", "test", name)
    workers.stop()


def test_respects_the_drain_of_an_administrator(ramp: Ramp, pool: Pool) -> None:
    """The queue needs a machine and may not buy one, so it would otherwise unretire this one (rule 7)."""
    vm = ramp.vm("THEIRS")
    slot = pool.slots(f'APFVM == "{vm["vm"]}" && PartitionableSlot')[0]["Name"]
    pool.run("condor_drain", "-graceful", "-reason", "new kernel", slot)
    ramp.until_state("THEIRS", "retiring")
    assert "drains (not ours: new kernel)" in ramp.vm("THEIRS")["why"]
    ramp.factory.rounds(2)
    assert (ramp.factory.queue("THEIRS")["n"], ramp.taken("THEIRS", "unretire")) == (1, [])
    pool.run("condor_drain", "-cancel", slot)
    ramp.until_state("THEIRS", "busy")

    pool.run("condor_off", "-peaceful", "-daemon", "startd", "-name", vm["startd"])
    ramp.until_state("THEIRS", "retiring")
    ramp.factory.rounds(2)
    assert ramp.factory.queue("THEIRS")["n"] == 1
    assert {action["kind"] for action in ramp.done("THEIRS")} == {"submit"}, "only the purchase at the start"
    ramp.jobs["THEIRS"].open()
    ramp.jobs["THEIRS"].wait_done()
    ramp.stop_queue("THEIRS")


def test_draining_vm_finishes_its_jobs_before_it_ends(ramp: Ramp) -> None:
    """No job is killed (rule 5)."""
    ramp.set_maximum("DRAIN", 0)
    ramp.until_state("DRAIN", "retiring")
    ramp.factory.rounds(2)
    assert ramp.vm("DRAIN")["state"] == "retiring"
    assert not ramp.taken("DRAIN", "remove")
    assert len(ramp.taken("DRAIN", "clearretire")) == 1
    ramp.jobs["DRAIN"].open()
    ramp.jobs["DRAIN"].wait_done()
    ramp.until_gone("DRAIN")
    assert "reports that its startd has ended" in ramp.taken("DRAIN", "remove")[0]["reason"]


def test_vm_after_condor_off_finishes_jobs_and_returns_if_needed(ramp: Ramp, pool: Pool) -> None:
    """This uses ``condor_off -peaceful`` and ``condor_on`` (rules 5, 7)."""
    uuid = ramp.vm("OFF")["vm"]
    ramp.set_maximum("OFF", 0)
    ramp.until_state("OFF", "retiring")
    until(lambda: pool.slots(f'APFVM == "{uuid}" && Activity == "Retiring"'), "its claim retires", 10)
    assert not pool.slots(f'APFVM == "{uuid}" && Draining')
    # As another owner, because the schedd may reuse a retiring claim before the startd ends it.
    more = ramp.work["OFF"].submit(1, accounting_group_user="carol")
    ramp.set_maximum("OFF", 1)
    until(lambda: ramp.taken("OFF", "unretire"), "it is unretired", 20)
    ramp.factory.rounds(1)
    assert ramp.vm("OFF")["state"] == "retiring", "it returns after its last job ends"
    ramp.jobs["OFF"].open()
    ramp.jobs["OFF"].wait_done()
    more.wait_running()
    ramp.until_state("OFF", "busy")
    assert ramp.vm("OFF")["vm"] == uuid
    assert len(ramp.machines("OFF")) == 1

    ramp.set_maximum("OFF", 0)
    ramp.until_state("OFF", "retiring")
    until(lambda: pool.slots(f'APFVM == "{uuid}" && Activity == "Retiring"'), "its claim retires again", 10)
    more.open()
    more.wait_done()
    ramp.until_gone("OFF")


def test_restarts_a_stopped_startd_before_buying(ramp: Ramp, pool: Pool) -> None:
    """This uses ``condor_on`` (rule 7)."""
    factory = ramp.factory
    uuid = ramp.vm("BACK")["vm"]
    ramp.jobs["BACK"].open()
    ramp.jobs["BACK"].wait_done()
    until(lambda: ramp.taken("BACK", "retire"), "the idle VM is asked to retire", 30, 0.05)
    factory.stop()  # before the factory removes the VM
    until(lambda: not pool.slots(f'APFVM == "{uuid}"'), "its startd stops", 15)
    more = ramp.work["BACK"].submit(1)
    factory.start()
    more.wait_running()
    ramp.until_state("BACK", "busy")
    assert ramp.vm("BACK")["vm"] == uuid
    assert len(ramp.taken("BACK", "unretire")) >= 1
    assert len(ramp.taken("BACK", "submit")) == 1, "only the first VM was bought"
    more.open()
    more.wait_done()
    ramp.until_gone("BACK")


def test_expired_lease_ends_the_vm(ramp: Ramp, pool: Pool) -> None:
    """The VM job ends it (rule 9), because the timer in the VM runs to lease_max."""
    job = ramp.taken("LEASE", "submit")[0]["jobs"][0]
    done = until(lambda: pool.history(f"ClusterId == {job.split('.')[0]}"), "the VM job is removed", 80, 0.5)[0]
    assert done["JobStatus"] == 3
    assert done["RemoveReason"] == "Job lease expired"
    assert done["EnteredCurrentStatus"] - done["APFLeaseEnd"] < 10, "no later than the lease end"
    assert done["APFVM"] == ramp.machines("LEASE")[0]["tags"]["apf:vm"]
    ramp.until_gone("LEASE")
    assert ramp.machines("LEASE")[0]["reason"] == "Client.UserInitiatedShutdown"


def test_extended_lease_reaches_htcondor(ramp: Ramp, pool: Pool) -> None:
    """The factory is dead; the gridmanager reads the new end from the schedd (docs/decisions/0012-leases.md)."""
    (vm,) = ramp.factory.vms("LONGER")
    ramp.factory.kill()
    before = vm["lease_end"] - 3000
    until(lambda: time.time() > before + 5, "the first end of its lease has passed", 90, 1)
    (job,) = pool.jobs(f'APFVM == "{vm["vm"]}"', "JobStatus")
    assert job["JobStatus"] == 2
    assert [machine["state"] for machine in ramp.machines("LONGER")] == ["running"]
