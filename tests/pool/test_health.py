"""A cloud that refuses launches: held VM jobs, breakers, reset, canaries and a budget."""

from pathlib import Path

from localcloud.process import CloudProcess
from tests.rig.cloudhooks import REFUSE
from tests.rig.factory import Factory, ec2_queue, instances, removed_at_end
from tests.rig.pool import Pool
from tests.rig.wait import until
from tests.rig.work import Work


def test_refused_launch_leaves_no_held_job_and_retries_after_a_wait(pool: Pool, tmp_path: Path) -> None:
    """The next purchase starts with one machine and stays within the budget."""
    hooks = ["tests.rig.cloudhooks:Broken"]
    with CloudProcess(tmp_path / "cloud", boot_delay_s=0.5, shutdown_delay_s=0.5, hooks=hooks) as cloud:
        refuse = cloud.directory / REFUSE
        refuse.write_text("InsufficientInstanceCapacity")
        queue = ec2_queue(cloud, "refused", apfqueue__sleep=1, batchsubmit__condorec2__canary=True)
        queue["schedplugin"] = "Ready, Budget"
        queue["sched.budget.maximum_per_hour"], queue["batchsubmit.condorec2.price_t2.small"] = 0.3, 0.1
        factory = Factory(tmp_path, pool, "refused", {"CLOUD": queue})
        work = Work(factory)
        jobs = work.submit(3)
        with removed_at_end(factory), factory:
            until(lambda: factory.queue().get("health", {}).get("breakers"), "a breaker opens", 60, 0.5)
            until(lambda: not factory.vm_jobs(), "no job stays on hold", 20, 0.5)
            factory.rounds(3)
            assert len(factory.actions("submit")) == 1
            assert "InsufficientInstanceCapacity" in factory.queue()["notes"][0]
            (breaker,) = factory.queue()["health"]["breakers"].values()
            assert (breaker["what"], breaker["times"]) == ("no capacity", 1)
            assert "not bought for" in factory.run("health").stdout
            assert "one VM first" in factory.run("health").stdout
            factory.kill()
            factory.start()
            factory.rounds(3)
            assert len(factory.actions("submit")) == 1, "the breaker survives a restart"
            refuse.unlink()
            assert factory.run("health", "reset").returncode == 0
            jobs.wait_running()
            assert not factory.queue()["health"]["breakers"]
            assert len(instances(cloud, factory)) == 3
            assert [action["what"][:1] for action in factory.actions("submit")] == ["1", "1", "2"], "a canary"
            assert "canary: proven" in factory.run("health").stdout
            more = work.submit(1)
            until(lambda: "room for 0 of 1" in factory.queue()["steps"][-1]["reason"], "the budget is spent", 20)
            assert "costs 0.30 of 0.30 USD per hour" in factory.queue()["steps"][-1]["reason"]
            jobs.open()
            more.open()
            jobs.wait_done()
            more.wait_done()
            assert len(instances(cloud, factory)) == 3
