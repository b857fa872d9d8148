"""Rule 1: the factory may be killed at any instruction; the one that is started after it goes on."""

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
"""The same end as a real machine's, after seconds in place of minutes."""


def dies_at(factory: Factory, step: str, time: int = 1) -> None:
    """Start the factory, and see it die at that step."""
    factory.start(failpoint=(step, time), wait=False)
    assert factory.wait_end(60) == KILLED, f"it never got to: {step}"


def test_killed_at_every_step_it_buys_no_vm_too_many_and_leaks_none(
    cloud: CloudProcess, make_factory: MakeFactory
) -> None:
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
        # One that is not yet seen claimed would be turned off, and come back only when its job ends.
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
        assert len(factory.vm_jobs()) == 3, "taken back, not bought anew"

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


def test_machines_that_were_asked_to_leave_end_by_themselves_when_the_factory_does_not_come_back(
    pool: Pool, cloud: CloudProcess, make_factory: MakeFactory, tmp_path: Path
) -> None:
    """Rule 9: a startd that has left looks at no timer any more; its master does."""
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
    time.sleep(15)  # longer than both periods
    assert len(alive(cloud, factory)) == 2, "a machine with a job stays"
    for batch in batches:
        batch.open()
    for batch in batches:
        batch.wait_done()
    mine = f'APFFactory == "{factory.id}"'
    until(lambda: not pool.slots(mine), "the startds have left", 20)
    until(lambda: not alive(cloud, factory), "the instances end by themselves", 40)
    assert {m["reason"] for m in instances(cloud, factory)} == {"Client.InstanceInitiatedShutdown"}
    until(lambda: not factory.vm_jobs(), "the VM jobs have completed", 40)
