"""A paused queue does nothing, even after a restart of the factory."""

from localcloud.process import CloudProcess
from tests.pool.conftest import MakeFactory
from tests.rig.factory import alive
from tests.rig.wait import until
from tests.rig.work import Work


def test_paused_queue_neither_buys_nor_retires_until_resumed(cloud: CloudProcess, make_factory: MakeFactory) -> None:
    factory = make_factory(apfqueue__sleep=1)
    work = Work(factory)
    first = work.submit(1)
    with factory:
        first.wait_running()
        assert factory.run("pause", "--why", "a test").returncode == 0
        until(lambda: "a test" in (factory.blocked() or ""), "the queue says that it is paused", 10)
        done = len(factory.journal())
        work.submit(2)
        first.open()
        first.wait_done()
        factory.rounds(8)
        factory.stop()
        factory.start()
        factory.rounds(3)
        assert all(not entry["actions"] for entry in factory.journal()[done:])
        assert len(alive(cloud, factory)) == 1, "it keeps running"
        assert factory.run("resume").returncode == 0
        until(lambda: len(factory.actions("submit")) == 2, "it buys again", 10)
