"""A factory that is killed at any instruction continues after a restart (rule 1)."""

import time
from pathlib import Path

from localcloud.process import CloudProcess
from tests.pool.conftest import MakeFactory
from tests.rig.factory import QUEUE, Factory, alive, ec2_queue, instances
from tests.rig.pool import Pool
from tests.rig.wait import until
from tests.rig.work import Work

KILLED = -9

LAYER = """\
#cloud-config
write_files:
  - path: /etc/condor/config.d/95-impatient
    content: |
      APF_STARTD_STARTS = 5
      APF_STARTD_RETURNS = 10
"""
"""The timers of a real VM with seconds instead of minutes."""


def dies_at(factory: Factory, step: str, time: int = 1) -> None:
    """Start the factory and wait until it dies at that step."""
    factory.start(failpoint=(step, time), wait=False)
    assert factory.wait_end(60) == KILLED, f"it never got to: {step}"


def test_factory_killed_at_any_step_buys_and_leaks_no_extra_vm(cloud: CloudProcess, make_factory: MakeFactory) -> None:
    factory = make_factory(sched__maxtorun__maximum=3, apfqueue__sleep=1)
    maximum = factory.queues[QUEUE]
    work = Work(factory)
    first = work.submit(3)
    with factory:
        factory.kill()
        dies_at(factory, "prepared")
        dies_at(factory, "userdata written")
        dies_at(factory, "userdata written+0.03")
        if not factory.vm_jobs():
            dies_at(factory, "submitted")

        factory.start(failpoint=("retire recorded", 2))
        first.wait_running()
        # A VM not yet known to be claimed would be turned off and return only after its job ends.
        until(lambda: factory.states()["busy"] == 3, "the factory sees all three busy", 20)
        assert len(factory.vm_jobs()) == 3
        maximum["sched.maxtorun.maximum"] = 1
        factory.reload()
        assert factory.wait_end() == KILLED
        dies_at(factory, "retire sent")

        maximum["sched.maxtorun.maximum"] = 3
        second = work.submit(2)
        dies_at(factory, "unretire recorded")
        dies_at(factory, "unretire sent")
        dies_at(factory, "cleared")
        factory.start(failpoint=("retire recorded", 1))
        until(lambda: factory.states()["busy"] == 3, "all three are in service again", 30)
        assert len(factory.vm_jobs()) == 3, "unretired instead of a new purchase"

        first.open()
        second.open()
        assert factory.wait_end(60) == KILLED
        dies_at(factory, "retire sent")
        dies_at(factory, "removed")
        dies_at(factory, "removed")
        factory.start()
        first.wait_done()
        second.wait_done()
        until(lambda: not factory.vm_jobs(), "the VM jobs leave the queue", 60, 0.5)
        until(lambda: not alive(cloud, factory), "all instances end", 20, 0.5)
        until(lambda: not list((factory.state / "userdata").iterdir()), "the user-data files are swept", 10)
    assert len(instances(cloud, factory)) == 3


def test_retired_vms_end_by_themselves_without_the_factory(
    pool: Pool, cloud: CloudProcess, make_factory: MakeFactory, tmp_path: Path
) -> None:
    """A stopped startd checks no timer any more, but its master does (rule 9)."""
    layer = tmp_path / "layer.yaml"
    layer.write_text(LAYER)
    keys: dict[str, object] = {"batchsubmit__condorec2__user_data_files": layer}
    factory, ways = make_factory(), ("off", "drain")
    factory.queues = {way: ec2_queue(cloud, way, batchsubmit__condorec2__retire=way, **keys) for way in ways}
    batches = [Work(factory, way).submit(1) for way in ways]
    with factory:
        for batch in batches:
            batch.wait_running()
        until(lambda: all(factory.states(way) == {"busy": 1} for way in ways), "both VMs are busy", 20)
        for way in ways:
            factory.queues[way]["sched.maxtorun.maximum"] = 0
        factory.reload()
        until(lambda: all(factory.states(way) == {"retiring": 1} for way in ways), "both retire", 20)
        factory.kill()
    time.sleep(15)  # longer than both timers
    assert len(alive(cloud, factory)) == 2, "a machine with a job stays"
    for batch in batches:
        batch.open()
    for batch in batches:
        batch.wait_done()
    mine = f'APFFactory == "{factory.id}"'
    until(lambda: not pool.slots(mine), "the startds have stopped", 20)
    until(lambda: not alive(cloud, factory), "the instances end by themselves", 40)
    assert {m["reason"] for m in instances(cloud, factory)} == {"Client.InstanceInitiatedShutdown"}
    until(lambda: not factory.vm_jobs(), "the VM jobs have completed", 40)
