"""Rule 1: the factory may be killed at any instruction; the one that is started after it goes on."""

from localcloud.process import CloudProcess
from tests.pool.conftest import MakeFactory
from tests.rig.factory import QUEUE, Factory, alive, instances
from tests.rig.wait import until
from tests.rig.work import Work

KILLED = -9


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

        factory.start(failpoint=("retirement noted", 2))
        first.wait_running()
        # One that is not yet seen claimed would be turned off, and come back only when its job ends.
        until(lambda: factory.states()["busy"] == 3, "the factory sees all three busy", 20)
        assert len(factory.vm_jobs()) == 3
        maximum["sched.maxtorun.maximum"] = 1
        factory.reload()
        assert factory.wait_end() == KILLED
        dies_at(factory, "told to retire")

        maximum["sched.maxtorun.maximum"] = 3
        second = work.submit(2)
        dies_at(factory, "return noted")
        dies_at(factory, "told to return")
        dies_at(factory, "cleared")
        factory.start(failpoint=("retirement noted", 1))
        until(lambda: factory.states()["busy"] == 3, "all three are in service again", 30)
        assert len(factory.vm_jobs()) == 3, "taken back, not bought anew"

        first.open()
        second.open()
        assert factory.wait_end(60) == KILLED
        dies_at(factory, "told to retire")
        dies_at(factory, "removed")
        dies_at(factory, "removed")
        factory.start()
        first.wait_done()
        second.wait_done()
        until(lambda: not factory.vm_jobs(), "the VM jobs leave the queue", 60, 0.5)
        until(lambda: not alive(cloud, factory), "all instances end", 20, 0.5)
        until(lambda: not list((factory.state / "userdata").iterdir()), "the user-data files are swept", 10)
    assert len(instances(cloud, factory)) == 3
