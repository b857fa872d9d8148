"""A factory that starts, or reads a new configuration, does not know its instances in the cloud yet."""

import fcntl
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from localcloud.process import CloudProcess
from tests.pool.conftest import MakeFactory
from tests.rig.factory import QUEUE, Factory, ec2_queue, removed_at_end
from tests.rig.orphans import AUDITED, SCHEDD, audit, launched
from tests.rig.pool import Pool
from tests.rig.wait import until
from tests.rig.work import Work

RARELY = {"audit_interval": 1000}
NOBODY = "http://ec2.us-east-1.localhost:9/"
"""An endpoint where no cloud answers."""


def bought(factory: Factory) -> Sequence[str]:
    """Return the submitted VM jobs."""
    return [job for action in factory.actions("submit") for job in action["jobs"]]


@contextmanager
def orphan_of(cloud: CloudProcess, factory: Factory, queue: str = QUEUE, schedd: str = SCHEDD) -> Iterator[str]:
    """Run an instance of a queue without a VM job."""
    tags = {"apf_factory": factory.id, "apf_queue": queue, "apf_vm": f"{factory.id}-lost", "apf_schedd": schedd}
    with launched(cloud, tags) as instance:
        yield instance


def test_factory_started_before_its_schedd_counts_orphans_later(cloud: CloudProcess, tmp_path: Path) -> None:
    """The first audit saw nothing and the next one is far away (rule 6)."""
    with Pool(tmp_path / "pool", name="late@pool") as pool:
        keys = {"batchsubmit__condorec2__maxinstances": 2, "batchsubmit__condorec2__lease": "10m"}
        factory = Factory(tmp_path, pool, "late", {QUEUE: ec2_queue(cloud, "late", **keys)}, **RARELY)
        with removed_at_end(factory), orphan_of(cloud, factory, schedd="late@pool") as orphan:
            Work(factory).submit(5)
            os.kill(pool.pid_of("master"), signal.SIGSTOP)
            pool.kill_daemon("schedd")
            with factory:
                until(lambda: factory.queue().get("outcome") == "blocked", "the queue is blocked", 20)
                os.kill(pool.pid_of("master"), signal.SIGCONT)
                until(lambda: bought(factory), "it buys", 60)
                factory.rounds(2)
                assert len(bought(factory)) == 1
                assert audit(factory)[orphan]["step"] == "wait"
                assert "Traceback" not in factory.log_text()


@pytest.mark.parametrize("came", ["another account", "another section"])
def test_counts_orphans_of_a_new_account_before_buying_there(
    cloud: CloudProcess, make_factory: MakeFactory, came: str
) -> None:
    """Orphans count against the caps (rule 6)."""
    factory = make_factory(factory=RARELY)
    name = factory.id
    section = ec2_queue(cloud, name, batchsubmit__condorec2__maxinstances=2)
    elsewhere = {"batchsubmit.condorec2.gridresource": NOBODY}
    factory.queues[QUEUE] |= {"wmsqueue": "nothing", **elsewhere}
    if came == "another account":
        factory.queues[name] = {**section, "wmsqueue": "nothing", **elsewhere}
    with orphan_of(cloud, factory, name) as orphan, factory:
        until(factory.queue, "a round", 30)
        factory.queues[name] = section
        Work(factory, name).submit(5)
        factory.reload()
        until(lambda: bought(factory), "it buys", 60)
        factory.rounds(2)
        assert len(bought(factory)) == 1
        assert audit(factory)[orphan]["queue"] == name


def test_orphan_of_a_removed_account_is_not_reported_gone(cloud: CloudProcess, make_factory: MakeFactory) -> None:
    factory = make_factory(factory={**AUDITED, "orphans": "report"})
    factory.queues["GONE"] = ec2_queue(cloud, "gone")
    factory.queues[QUEUE]["batchsubmit.condorec2.gridresource"] = NOBODY
    with orphan_of(cloud, factory, "GONE") as orphan, factory:
        until(lambda: orphan in audit(factory), "an audit sees it", 30)
        del factory.queues["GONE"]
        factory.reload()
        until(lambda: orphan not in audit(factory), "it is out of sight", 30)
        assert f"orphan instance {orphan} was not ended and can't be seen any more" in factory.log_text()
        assert f"orphan instance {orphan} is gone" not in factory.log_text()
        assert cloud.instances()[orphan]["state"] == "running"


def test_sighup_during_start_up_takes_effect(make_factory: MakeFactory) -> None:
    """A starting factory may wait a minute for old workers, after it has read its configuration."""
    factory = make_factory(sched__maxtorun__maximum=1)
    factory.state.mkdir(parents=True, mode=0o700)
    with open(factory.state / "workers.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        factory.start(wait=False)
        until((factory.state / "factory.lock").exists, "it waits", 20)
        factory.queues[QUEUE]["sched.maxtorun.maximum"] = 2
        factory.write_conf()
        factory.signal(signal.SIGHUP)
    until(lambda: "of 2" in str(factory.queue().get("steps")), "the new file is in force", 30)
