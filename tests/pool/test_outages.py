"""What the factory stands on breaks: one ramp in a pool of its own, broken in every test and whole again after it."""

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
"""Quick to end; and without CCB, which takes a minute to come back after a collector has restarted."""

OUTAGE_S = 60
DEADLINE_S = 3
UPDATE_S = 4


@dataclass
class Site:
    """A pool to break, and a factory with two queues: two busy VMs in ONE, none in TWO."""

    pool: Pool
    cloud: CloudProcess
    factory: Factory
    batches: list[Batch] = field(default_factory=list)

    def submit(self, queue: str, count: int = 1) -> Batch:
        """Jobs that run until the end."""
        batch = Work(self.factory, queue).submit(count)
        self.batches.append(batch)
        return batch

    def held(self, *queues: str) -> bool:
        """Whether the last decision of these queues was to hold."""
        return all(self.factory.queue(name).get("outcome") == "blocked" for name in queues)

    def actions_since(self, entries: int) -> list[dict[str, Any]]:
        """What was done since the journal had so many entries."""
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
    """The process does not run, as if its machine hung."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_schedd_that_is_killed_and_comes_back_costs_nothing(site: Site) -> None:
    before = len(site.factory.journal())
    with stopped(site.pool.pid_of("master")):
        site.pool.kill_daemon("schedd")
        until(lambda: site.held("ONE", "TWO"), "the queues hold", 20)
        assert "jobs in schedd local: " in (site.factory.blocked("ONE") or "")
    site.pool.wait_ready()
    until(lambda: site.factory.states("ONE") == {"busy": 2}, "it sees its VMs again", 40)
    assert site.actions_since(before) == []
    assert len(alive(site.cloud, site.factory)) == 2


def test_an_api_that_is_down_for_a_minute_delays_a_vm_and_buys_it_once(site: Site) -> None:
    before, began = len(site.factory.journal()), time.monotonic()
    site.cloud.outage(600)
    jobs = site.submit("TWO")
    until(lambda: site.factory.states("TWO") == {"submitted": 1}, "a VM is asked for", 20)
    dropped = site.cloud.requests()
    until(lambda: site.cloud.requests() != dropped, "HTCondor tries in vain", 40, 0.5)
    while time.monotonic() - began < OUTAGE_S:
        site.factory.rounds(1)
        assert site.factory.states("TWO") == {"submitted": 1}
        assert site.factory.states("ONE") == {"busy": 2}, "VMs that run are left alone"
    assert len(alive(site.cloud, site.factory)) == 2
    site.cloud.outage(0)
    jobs.wait_running()
    until(lambda: site.factory.states("TWO") == {"busy": 1}, "the VM is busy")
    assert [action["kind"] for action in site.actions_since(before)] == ["submit"]
    assert len(instances(site.cloud, site.factory)) == 3
    assert len(site.factory.vm_jobs()) == 3


def test_a_schedd_that_hangs_blocks_nothing(site: Site) -> None:
    """Rule 12."""
    factory = site.factory
    before, seen = len(factory.journal()), {name: factory.states(name) for name in ("ONE", "TWO")}
    with stopped(site.pool.pid_of("schedd")):
        until(lambda: site.held("ONE", "TWO"), "the queues hold", 40)
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
        until(lambda: factory.status()["written"] > started and site.held("ONE", "TWO"), "it holds from the start")
    until(lambda: all(factory.states(name) == states for name, states in seen.items()), "it sees all as before", 30)
    assert site.actions_since(before) == []


def test_without_a_collector_and_with_one_that_has_just_restarted_the_queues_hold(site: Site) -> None:
    """Rule 2: one queue would retire a VM, the other would buy one."""
    factory = site.factory
    collector = f"machines in collector {site.pool.address}"
    with stopped(site.pool.pid_of("master")):
        site.pool.kill_daemon("collector")
        until(lambda: site.held("ONE", "TWO"), "the queues hold", 20)
        before = len(factory.journal())
        factory.queues["ONE"]["sched.maxtorun.maximum"] = 1
        factory.reload()
        site.submit("TWO")
        factory.rounds(6)
        assert site.held("ONE", "TWO")
        assert collector in (factory.blocked("ONE") or "")
    until(lambda: factory.queue("ONE")["outcome"] != "blocked", "it believes the collector", 60)
    entries = factory.journal()[before:]
    acted = next(i for i, entry in enumerate(entries) if entry["actions"])
    why = [entry["blocked"]["text"] for entry in entries[:acted] if entry["blocked"] is not None]
    assert any("the collector has been up for" in hold for hold in why)
    assert f"believed after {2 * UPDATE_S} s" in why[-1]
    until(lambda: {"retire", "submit"} <= {a["kind"] for a in site.actions_since(before)}, "it goes on")
    until(lambda: site.factory.states("ONE")["retiring"] == 1, "one of them retires")
    kinds = [action["kind"] for action in site.actions_since(before)]
    assert (kinds.count("submit"), kinds.count("remove")) == (1, 0)


def test_all_jobs_end_well_and_vms_end_by_themselves_when_nobody_is_left(site: Site) -> None:
    """Rules 5 and 9: no job was restarted, and no VM needs the factory or the schedd to end."""
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
