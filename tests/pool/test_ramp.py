"""The main job: idle jobs become machines, machines without work go away."""

from localcloud.process import CloudProcess
from tests.pool.conftest import MakeFactory
from tests.rig.factory import alive, instances
from tests.rig.pool import Pool
from tests.rig.wait import until
from tests.rig.work import Work


def test_jobs_become_machines_and_idle_machines_go_away(
    pool: Pool, cloud: CloudProcess, make_factory: MakeFactory
) -> None:
    factory = make_factory(sched__maxtorun__maximum=3)
    jobs = Work(factory).submit(4)
    with factory:
        until(lambda: factory.actions("submit"), "the first VM is asked for", 2 + 5)
        jobs.wait_running(3)
        assert factory.states()["busy"] <= 3
        jobs.open()
        jobs.wait_done()
        until(lambda: len(instances(cloud, factory)) >= 3 and not alive(cloud, factory), "all instances end", 60, 0.5)
        until(lambda: not factory.vm_jobs(), "the VM jobs leave the queue", 20, 0.5)
        until(lambda: not list((factory.state / "userdata").iterdir()), "the user-data files are swept", 10)
    assert sum(action["what"].startswith("3 ×") for action in factory.actions("submit")) == 1
    assert len(factory.actions("submit")) == 1, "no VM is bought twice while it boots"
    assert len(instances(cloud, factory)) == 3
