"""Outages of the daemons below the factory, in one pool that each test breaks and repairs."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from localcloud.process import CloudProcess
from tests.rig.factory import Factory, alive, ec2_queue, instances
from tests.rig.pool import Pool
from tests.rig.wait import until
from tests.rig.work import Batch, Work

LAYER = """\
#cloud-config
write_files:
  - path: /etc/condor/config.d/95-impatient
    content: |
      STARTD_NOCLAIM_SHUTDOWN = 15
      CCB_ADDRESS =
"""
"""Short timers, and no CCB, which takes a minute to recover after a restart of the collector."""

OUTAGE_S = 60
DEADLINE_S = 3
UPDATE_S = 4


@dataclass
class Site:
    """A pool to break, and a factory with two queues: ONE has two busy VMs, TWO has none."""

    pool: Pool
    cloud: CloudProcess
    factory: Factory
    batches: list[Batch] = field(default_factory=list)

    def submit(self, queue: str, count: int = 1) -> Batch:
        """Submit jobs that run until the end of the module."""
        batch = Work(self.factory, queue).submit(count)
        self.batches.append(batch)
        return batch

    def blocked(self, *queues: str) -> bool:
        """True if these queues were blocked in their last decision."""
        return all(self.factory.queue(name).get("outcome") == "blocked" for name in queues)

    def actions_since(self, entries: int) -> list[dict[str, Any]]:
        """Return the actions in the journal after its first ``entries`` entries."""
        return [action for entry in self.factory.journal()[entries:] for action in entry["actions"]]


@pytest.fixture(scope="module")
def site(cloud: CloudProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("outages")
    layer = directory / "layer.yaml"
    layer.write_text(LAYER)
    keys: dict[str, object] = {"batchsubmit__condorec2__user_data_files": layer, "sched__retireidle__after": "1h"}
    with Pool(directory / "pool", name="outages@pool") as pool:
        queues = {name: ec2_queue(cloud, name, **keys) for name in ("ONE", "TWO")}
        factory = Factory(directory, pool, "outages", queues, deadline=DEADLINE_S, update_interval=UPDATE_S)
        with factory:
            made = Site(pool, cloud, factory)
            made.submit("ONE", 2).wait_running()
            until(lambda: factory.states("ONE") == {"busy": 2}, "both VMs are busy", 20)
            yield made


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stop a process for a while, as if its machine hung."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_killed_schedd_costs_no_vm_or_job(site: Site) -> None:
    before = len(site.factory.journal())
    with stopped(site.pool.pid_of("master")):
        site.pool.kill_daemon("schedd")
        until(lambda: site.blocked("ONE", "TWO"), "the queues are blocked", 20)
        assert "jobs in schedd local: " in (site.factory.blocked("ONE") or "")
    site.pool.wait_ready()
    until(lambda: site.factory.states("ONE") == {"busy": 2}, "it sees its VMs again", 40)
    assert site.actions_since(before) == []
    assert len(alive(site.cloud, site.factory)) == 2


def test_cloud_outage_delays_a_vm_that_is_bought_once(site: Site) -> None:
    before, began = len(site.factory.journal()), time.monotonic()
    site.cloud.outage(600)
    jobs = site.submit("TWO")
    until(lambda: site.factory.states("TWO") == {"submitted": 1}, "a VM is asked for", 20)
    dropped = site.cloud.requests()
    until(lambda: site.cloud.requests() != dropped, "HTCondor retries", 40, 0.5)
    while time.monotonic() - began < OUTAGE_S:
        site.factory.rounds(1)
        assert site.factory.states("TWO") == {"submitted": 1}
        assert site.factory.states("ONE") == {"busy": 2}, "running VMs stay"
    assert len(alive(site.cloud, site.factory)) == 2
    site.cloud.outage(0)
    jobs.wait_running()
    until(lambda: site.factory.states("TWO") == {"busy": 1}, "the VM is busy")
    assert [action["kind"] for action in site.actions_since(before)] == ["submit"]
    assert len(instances(site.cloud, site.factory)) == 3
    assert len(site.factory.vm_jobs()) == 3


def test_hung_schedd_blocks_nothing(site: Site) -> None:
    """The hung schedd delays no other daemon (rule 12)."""
    factory = site.factory
    before, seen = len(factory.journal()), {name: factory.states(name) for name in ("ONE", "TWO")}
    with stopped(site.pool.pid_of("schedd")):
        until(lambda: site.blocked("ONE", "TWO"), "the queues are blocked", 40)
        assert f"no answer within {DEADLINE_S} s" in (factory.blocked("ONE") or "")
        written = factory.status()["written"]
        factory.rounds(3, 6 + DEADLINE_S)
        assert factory.status()["written"] > written
        assert factory.stop() == 0
    factory.settings["deadline"] = 600
    factory.start()
    factory.rounds(1)
    with stopped(site.pool.pid_of("schedd")):
        until(lambda: time.time() - factory.status()["written"] > 5, "a round waits for the schedd")
        assert factory.stop() == 0
        assert "ending during a round" in factory.log_text()
        factory.settings["deadline"] = DEADLINE_S
        started = time.time()
        factory.start()
        until(
            lambda: factory.status()["written"] > started and site.blocked("ONE", "TWO"), "it is blocked from the start"
        )
    until(lambda: all(factory.states(name) == states for name, states in seen.items()), "it sees all VMs as before", 30)
    assert site.actions_since(before) == []


def test_queues_are_blocked_without_a_collector_and_after_its_restart(site: Site) -> None:
    """One queue would otherwise retire a VM and the other would buy one (rule 2)."""
    factory = site.factory
    collector = f"machines in collector {site.pool.address}"
    with stopped(site.pool.pid_of("master")):
        site.pool.kill_daemon("collector")
        until(lambda: site.blocked("ONE", "TWO"), "the queues are blocked", 20)
        before = len(factory.journal())
        factory.queues["ONE"]["sched.maxtorun.maximum"] = 1
        factory.reload()
        site.submit("TWO")
        factory.rounds(6)
        assert site.blocked("ONE", "TWO")
        assert collector in (factory.blocked("ONE") or "")
    until(lambda: factory.queue("ONE")["outcome"] != "blocked", "it believes the collector", 60)
    entries = factory.journal()[before:]
    acted = next(i for i, entry in enumerate(entries) if entry["actions"])
    why = [entry["blocked"]["text"] for entry in entries[:acted] if entry["blocked"] is not None]
    assert any("the collector has been up for" in hold for hold in why)
    assert f"its data count after {2 * UPDATE_S} s" in why[-1]
    until(lambda: {"retire", "submit"} <= {a["kind"] for a in site.actions_since(before)}, "it continues")
    until(lambda: site.factory.states("ONE")["retiring"] == 1, "one of them retires")
    kinds = [action["kind"] for action in site.actions_since(before)]
    assert (kinds.count("submit"), kinds.count("remove")) == (1, 0)


def test_jobs_finish_and_vms_end_without_factory_and_schedd(site: Site) -> None:
    """No job was restarted, and VMs end without the factory and the schedd (rules 5, 9)."""
    site.batches[-1].wait_running()
    for batch in site.batches:
        batch.open()
    for batch in site.batches:
        batch.wait_done(reconnected=True)
    until(lambda: site.factory.states("TWO") == {"idle": 2}, "the VMs of TWO are idle")
    until(lambda: site.factory.states("ONE") == {"idle": 1}, "the one that retired has gone")
    site.factory.kill()
    site.pool.stop()
    left = {vm["instance"] for name in ("ONE", "TWO") for vm in site.factory.vms(name)}
    site.cloud.wait(lambda _: not alive(site.cloud, site.factory), "all end by themselves", 40)
    machines = site.cloud.instances()
    assert {machines[name]["reason"] for name in left} == {"Client.InstanceInitiatedShutdown"}
