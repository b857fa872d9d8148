"""The factory as a service: signals, one round, its lock, and several factories on one pool."""

import signal
import time
import urllib.request
from pathlib import Path

from localcloud.process import CloudProcess
from tests.pool.conftest import MakeFactory
from tests.rig.factory import QUEUE, Factory, alive, ec2_queue, instances
from tests.rig.httpserver import free_port_nobody_listens_on
from tests.rig.pool import Pool
from tests.rig.wait import until
from tests.rig.work import Work


def test_sigterm_stops_and_sighup_rereads_valid_files(make_factory: MakeFactory, cloud: CloudProcess) -> None:
    metrics = free_port_nobody_listens_on()
    factory = make_factory(sched__maxtorun__maximum=1, factory={"metrics": metrics})
    factory.queues["OTHER"] = ec2_queue(cloud, "other", apfqueue__sleep=3600)
    with factory:
        until(lambda: factory.queue("OTHER") and factory.queue(), "the first rounds", 15)
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=10) as answer:
            told = answer.read().decode()
        assert f'apf_blocked{{factory="{factory.id}",queue="OTHER"}} 0.0' in told
        assert "apf_source_up{" in told
        factory.conf.write_text(factory.conf.read_text().replace("RetireIdle", "RetireIdel"))
        factory.reload(write=False)
        assert "RetireIdel" in factory.log_text(), "the error in the file is logged"
        factory.rounds(1)
        assert "room for 1 of 1" in str(factory.queue()["steps"]), "the configuration in force stays"
        pool = factory.settings["pool"]
        factory.settings["pool"] = "elsewhere:9618"
        factory.reload()
        assert "not reread: pool can't change while" in factory.log_text(), (
            "the pool did not change, so its machines stay in sight"
        )
        factory.settings["pool"] = pool

        factory.queues[QUEUE]["sched.maxtorun.maximum"] = 2
        factory.queues[QUEUE]["batchsubmit.condorlocal.executable"] = "/bin/true"
        factory.settings |= {"metrics": metrics + 1, "audit_interval": 1}
        audited = factory.status()["audit"]["ended"]
        factory.queues["MORE"] = ec2_queue(cloud, "more", apfqueue__sleep=3600)
        factory.reload()
        until(lambda: "room for 2 of 2" in str(factory.queue().get("steps")), "the new file is in force")
        until(lambda: factory.queue("MORE"), "the new queue decides")
        assert "[CLOUD] batchsubmit.condorlocal.executable: warning" in factory.log_text()
        assert "a new value of metrics takes effect at the next start" in factory.log_text()
        rounds = [entry["queue"] for entry in factory.journal()]
        assert rounds.count("OTHER") == 1, "the unchanged queue keeps its schedule"
        assert rounds.count("MORE") == 1
        until(lambda: factory.status()["audit"]["ended"] > audited, "an audit, though the next one was far away", 30)

        assert factory.stop() == 0
    assert factory.log_text().splitlines()[-1].endswith("INFO ended")


def test_sighup_enables_and_disables_a_queue(make_factory: MakeFactory, cloud: CloudProcess) -> None:
    """In AutoPyFactory this raised KeyError and left the new configuration half applied."""
    factory = make_factory(apfqueue__sleep=3600)
    factory.queues[QUEUE]["wmsqueue"] = "nothing"
    queue = factory.id
    factory.queues[queue] = ec2_queue(cloud, queue, enabled=False)

    def submitted() -> list[str]:
        return [entry["queue"] for entry in factory.journal() for did in entry["actions"] if did["kind"] == "submit"]

    with factory:
        Work(factory, queue).submit(1)
        until(factory.queue, "the first round", 15)
        until(lambda: sum(entry["queue"] == queue for entry in factory.journal()) >= 2, "the queue is tended", 15)
        assert not submitted(), "a disabled queue buys nothing"

        factory.queues[queue]["enabled"] = True
        factory.reload()
        until(lambda: submitted() == [queue], "its job has a machine", 15)
        factory.queues[queue]["enabled"] = False
        factory.reload()
        Work(factory, queue).submit(2)
        factory.rounds(3)
        assert submitted() == [queue], "no further VM after it is disabled again"
        rounds = [entry["queue"] for entry in factory.journal()]
        assert rounds.count(QUEUE) == 1, "the unchanged queue keeps its schedule"
        assert "not reread" not in factory.log_text()
        assert "Traceback" not in factory.log_text()


def settable_clock(file: Path) -> dict[str, str]:
    """Return the environment of a process whose clock has the offset in ``file``, such as ``-3600``."""
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    file.write_text("+0")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def test_rounds_continue_after_clock_steps(make_factory: MakeFactory, cloud: CloudProcess, tmp_path: Path) -> None:
    factory = make_factory(apfqueue__sleep=1)
    factory.queues["OTHER"] = ec2_queue(cloud, "other", apfqueue__sleep=1)
    clock = tmp_path / "clock"
    factory.env = {**factory.env, **settable_clock(clock)}

    def decided(queue: str) -> set[float]:
        return {entry["decided"] for entry in factory.journal() if entry["queue"] == queue}

    with factory:
        factory.rounds(2)
        began, first = time.monotonic(), len(decided(QUEUE))
        for by in ("-3600", "+3600", "-86400"):
            before = decided(QUEUE)
            (tmp_path / "new").write_text(by)
            (tmp_path / "new").replace(clock)  # at once: libfaketime reads it all the time
            until(lambda before=before: len(decided(QUEUE) - before) >= 5, f"rounds after {by} s", 15)  # type: ignore[misc]
        assert len(decided(QUEUE)) - first < time.monotonic() - began + 4, "one round a second and one for each step"
        one, other = decided(QUEUE), decided("OTHER")
        assert len(one & other) > len(one ^ other), "queues with equal intervals are decided together"
        assert factory.log_text().count("the clock of this host was set by") == 3
        assert factory.stop() == 0


def test_invalid_configuration_does_not_start(make_factory: MakeFactory) -> None:
    factory = make_factory(schedplugin="Reddy")
    done = factory.run()
    assert done.returncode == 1
    assert "Reddy" in done.stderr
    assert "Traceback" not in done.stderr


def test_once_runs_one_round_and_condor_rm_ends_the_instance(
    pool: Pool, cloud: CloudProcess, make_factory: MakeFactory
) -> None:
    factory = make_factory()
    batch = Work(factory).submit(1)
    done = factory.run("--once")
    assert done.returncode == 0, done.stderr
    assert [len(entry["actions"]) for entry in factory.journal()] == [1]
    job = str(factory.actions("submit")[0]["jobs"][0])
    until(lambda: [m["state"] for m in instances(cloud, factory)] == ["running"], "the instance runs", 40, 0.5)
    pool.run("condor_rm", job)
    until(lambda: not alive(cloud, factory), "the instance ends", 30)
    assert instances(cloud, factory)[0]["reason"] == "Client.UserInitiatedShutdown"
    until(lambda: not factory.vm_jobs(), "the VM job leaves the queue", 20)
    batch.open()


def test_other_ids_are_left_alone_and_a_duplicate_id_gives_way(
    pool: Pool, cloud: CloudProcess, make_factory: MakeFactory
) -> None:
    """Factories with other ids never touch each other's VMs (rule 10)."""
    one, two = make_factory(), make_factory()
    batches = [Work(one).submit(1), Work(two).submit(1)]
    with one, two:
        for batch in batches:
            batch.wait_running()
        assert [m["tags"]["apf:factory"] for m in instances(cloud, one)] == [one.id]
        batches[0].open()
        until(lambda: instances(cloud, one) and not alive(cloud, one), "the VM of the first ends", 60, 0.5)
        assert len(alive(cloud, two)) == 1
        assert two.states() == {"busy": 1}
        assert {action["what"].split()[1] for action in one.actions("remove")}.isdisjoint(
            vm["vm"] for vm in two.vms()
        )  # fmt: skip

        same = two.run("--once")
        assert same.returncode == 1
        assert "another factory with this id is running" in same.stderr
        assert "factory.lock" in same.stderr

        # On another host, with a state directory of its own.
        newer = Factory(two.directory / "elsewhere", pool, two.id, two.queues)
        two.signal(signal.SIGSTOP)  # otherwise it would be faster
        batches.append(Work(two).submit(1))
        assert newer.run("--once").returncode == 0
        assert len(newer.actions("submit")) == 1
        two.signal(signal.SIGCONT)
        batches[1].open()
        batches[2].open()
        until(lambda: two.queue().get("outcome") == "blocked", "the older factory is blocked")
        said = two.blocked() or ""
        assert "a newer factory with this id is at work" in said
        assert newer.status()["incarnation"] in said
        batches[1].wait_done()
        before = len(two.journal())
        two.rounds(3)
        assert all(not entry["actions"] for entry in two.journal()[before:]), "a blocked factory does nothing"
        assert len(two.actions("submit")) == 1
