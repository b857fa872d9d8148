"""Pilots on real daemons are submitted, counted, removed and cleaned up, locally and at a compute element."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.rig.factory import Factory, removed_at_end
from tests.rig.pool import Pool
from tests.rig.site import site
from tests.rig.wait import until

NAME = "BNL/ce:1"
"""A queue name that is not a valid directory name."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """Yield the pool of the factory."""
    with site(tmp_path_factory.mktemp("home"), "home@pool") as pool:
        yield pool


@pytest.fixture(scope="module")
def compute_element(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """Yield another pool, with another schedd."""
    with site(tmp_path_factory.mktemp("ce"), "ce@pool") as pool:
        yield pool


def pilots(program: Path, **keys: object) -> dict[str, object]:
    """Return the keys of a queue with two pilots per cycle; ``keys`` have __ for a dot."""
    queue: dict[str, object] = {
        "enabled": True,
        "apfqueue.sleep": 3600,
        "batchstatusplugin": "Condor",
        "batchsubmitplugin": "CondorLocal",
        "schedplugin": "Fixed",
        "sched.fixed.pilotspercycle": 2,
        "executable": program,
        "batchsubmit.condorlocal.condor_attributes": "request_memory = 100,request_disk = 1000",
    }
    return queue | {key.replace("__", "."): value for key, value in keys.items()}


def factory(directory: Path, pool: Pool, queues: Mapping[str, Mapping[str, object]], **settings: object) -> Factory:
    name = f"pilots{next(_NUMBERS)}"
    return Factory(directory / name, pool, name, queues, baseLogDir=directory / "logs", **settings)


_NUMBERS = iter(range(100))


def script(directory: Path, text: str) -> Path:
    path = directory / "pilot.sh"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def once(made: Factory) -> None:
    done = made.run("--once")
    assert done.returncode == 0, done.stderr
    assert not [action for entry in made.journal() for action in entry["actions"] if action["error"]], done.stderr


def jobs(made: Factory) -> list[dict[str, object]]:
    return made.pool.jobs(f'APFFactory == "{made.id}"')


def done(made: Factory) -> list[dict[str, object]]:
    """Return the jobs of the factory after all have completed."""

    def completed() -> list[dict[str, object]]:
        return [] if jobs(made) else made.pool.history(f'APFFactory == "{made.id}"')

    return until(completed, "the pilots are done", 90, 0.5)


def by_status(made: Factory) -> Counter[object]:
    return Counter(job["JobStatus"] for job in jobs(made))


def test_pilots_write_output_and_log_under_day_and_queue(home: Pool, tmp_path: Path) -> None:
    program = script(tmp_path, 'echo "$@"; env; echo wrong >&2')
    keys = {
        "executable.arguments": "-s BNL",
        "batchsubmit.condorlocal.environ": "A=1 B='two words'",
        "batchsubmit.condorlocal.condor_attributes.+Project": '"a,b"',
        "monitorsection": "mon",
    }
    monitors = tmp_path / "monitor.conf"
    monitors.write_text("[mon]\nmonitorplugin = APF\nmonitorURL = http://localhost:9/api\ntimeout = 1\n")
    settings = {"monitorConf": monitors, "baseLogDirUrl": "http://web/logs"}
    made = factory(tmp_path, home, {NAME: pilots(program) | keys}, **settings)
    with removed_at_end(made):
        once(made)
        (ran,) = made.actions("submit")
        first, second = sorted(done(made), key=lambda ad: str(ad["ProcId"]))
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    cluster = first["ClusterId"]
    assert ran["jobs"] == [f"{cluster}.0", f"{cluster}.1"], "both in one transaction"
    assert second["ClusterId"] == cluster
    directory = tmp_path / "logs" / day / "BNL_ce_1"
    names = {f"{cluster}.{proc}.{suffix}" for proc in (0, 1) for suffix in ("out", "err", "log")}
    assert {path.name for path in directory.iterdir()} == names
    lines = (directory / f"{cluster}.1.out").read_text().splitlines()
    assert lines[0] == "-s BNL"
    told = dict(line.split("=", 1) for line in lines[1:] if "=" in line)
    job = f"{cluster}.1"
    assert (
        told
        | {
            "PANDA_JSID": made.id,
            "APFFID": made.id,
            "APFCID": job,
            "FACTORY_JOBID": f"{made.id}#{job}",
            "FACTORYQUEUE": NAME,
            "FACTORYUSER": home.user.split("@")[0],
            "GTAG": f"http://web/logs/{day}/BNL_ce_1/{job}.out",
            "APFMON": "http://localhost:9/api",
            "A": "1",
            "B": "two words",
        }
        == told
    )
    assert (directory / f"{cluster}.1.err").read_text() == "wrong\n"
    assert "Job terminated" in (directory / f"{cluster}.1.log").read_text()
    assert first["MATCH_APF_QUEUE"] == first["APF_QUEUE"] == NAME
    assert first["APF_OUTURL"] == f"http://web/logs/{day}/BNL_ce_1/{cluster}.0.out"
    assert first["Iwd"] == str(directory), "not in the working directory of the factory"
    assert (first["Project"], first["ExitCode"], first["JobUniverse"]) == ("a,b", 0, 5)


def test_submits_200_pilots_in_one_call(home: Pool, tmp_path: Path) -> None:
    program = script(tmp_path, "sleep 100")
    made = factory(tmp_path, home, {"MANY": pilots(program, sched__fixed__pilotspercycle=200)})
    with removed_at_end(made):
        before = home.submit({"executable": "/bin/true", "hold": "true"})
        once(made)
        after = home.submit({"executable": "/bin/true", "hold": "true"})
        home.run("condor_rm", str(before), str(after))
        assert after - before == 2, "one cluster in between"
        assert len(jobs(made)) == 200
        again = factory_again(made, sched__fixed__pilotspercycle=0)
        once(again)
        batch = again.queue("MANY")["batch"]
        assert batch["pending"] + batch["running"] == 200


def factory_again(made: Factory, **keys: object) -> Factory:
    """Return the same factory with other keys."""
    for queue in made.queues.values():
        queue |= {key.replace("__", "."): value for key, value in keys.items()}
    return made


def test_negative_ask_removes_waiting_pilots_first_and_none_if_peaceful(home: Pool, tmp_path: Path) -> None:
    program = script(tmp_path, "sleep 100")
    made = factory(tmp_path, home, {"Q": pilots(program, sched__fixed__pilotspercycle=5)})
    with removed_at_end(made):
        once(made)
        until(lambda: by_status(made)[2] == 2, "as many run as there are cores", 60)
        held = next(job for job in jobs(made) if job["JobStatus"] == 1)
        home.run("condor_hold", f"{held['ClusterId']}.{held['ProcId']}")
        until(lambda: by_status(made) == {1: 2, 2: 2, 5: 1}, "one is held")

        once(factory_again(made, sched__fixed__pilotspercycle=-3))
        queue = made.queue("Q")
        assert {name: n for name, n in queue["batch"].items() if n} == {"pending": 2, "running": 2, "held": 1}
        assert "3 jobs too many; jobs end by themselves" in queue["notes"][0]
        assert sum(by_status(made).values()) == 5

        once(factory_again(made, batchsubmit__condorlocal__peaceful=False))
        assert len(made.actions("remove")) == 3
        until(lambda: by_status(made) == {2: 2}, "only those that run are left")

        once(factory_again(made, sched__fixed__pilotspercycle=-1, batchsubmit__condorlocal__killorder="oldest"))
        until(lambda: [job["ProcId"] for job in jobs(made)] == [1], "the newer one is left")


def test_factories_with_equal_queue_names_touch_only_own_pilots(home: Pool, tmp_path: Path) -> None:
    """Both factories have a queue of one name (rule 10)."""
    program = script(tmp_path, "sleep 100")
    keys = pilots(program, batchsubmit__condorlocal__peaceful=False)
    one, two = (factory(tmp_path, home, {"SAME": keys}) for _ in range(2))
    with removed_at_end(one), removed_at_end(two):
        once(one)
        until(
            lambda: by_status(one) == {2: 2}, "the first has all cores, so that no job starts while it is removed", 60
        )
        once(two)
        batch = two.queue("SAME")["batch"]
        assert batch["pending"] + batch["running"] == 0, "the pilots of the first factory do not count"
        once(factory_again(two, sched__fixed__pilotspercycle=-10))
        until(lambda: not jobs(two), "the second factory has removed its own pilots")
        assert len(jobs(one)) == 2
        stranger = home.submit(
            {"executable": "/bin/sleep", "arguments": 100, "My.APF_QUEUE": '"SAME"', "My.MATCH_APF_QUEUE": '"SAME"'}
        )
        once(factory_again(one, sched__fixed__pilotspercycle=-10))
        until(lambda: not jobs(one), "the first factory has removed its own pilots")
        assert len(home.jobs(f"ClusterId == {stranger}")) == 1, "a job that somebody else submitted stays"
        home.run("condor_rm", str(stranger))


def test_removes_old_logs_and_keeps_recent_ones(home: Pool, tmp_path: Path) -> None:
    keys = pilots(Path("/bin/true"), sched__fixed__pilotspercycle=0)
    made = factory(tmp_path, home, {NAME: keys, "KEEPS": keys | {"cleanlogs.keepdays": 0}}, **{"cleanlogs.keepdays": 7})
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    for place in ("2020-01-01/BNL_ce_1", "2020-01-01/KEEPS", f"{today}/BNL_ce_1", "2020-01-01/GONE"):
        (tmp_path / "logs" / place).mkdir(parents=True)
    (tmp_path / "logs" / "2020-01-01" / "BNL_ce_1" / "1.0.out").write_text("old")
    with made:
        until(lambda: not (tmp_path / "logs/2020-01-01/BNL_ce_1").exists(), "old logs are removed")
        until(lambda: not (tmp_path / "logs/2020-01-01/GONE").exists(), "those of a queue that is gone too")
    assert (tmp_path / "logs/2020-01-01/KEEPS").is_dir(), "0: logs are kept forever"
    assert (tmp_path / "logs" / today / "BNL_ce_1").is_dir()


def elsewhere(plugin: str, program: Path, ce: Pool) -> dict[str, object]:
    """Return the keys of a queue whose pilots go to the schedd of another pool."""
    queue = pilots(program, batchsubmitplugin=plugin)
    own = {"gridresource": f"{ce.name} {ce.address}", "condor_attributes": "+remote_RequestMemory = 100"}
    del queue["batchsubmit.condorlocal.condor_attributes"]
    return queue | {f"batchsubmit.{plugin.lower()}.{key}": value for key, value in own.items()}


@pytest.mark.parametrize("plugin", ["CondorCE", "CondorOSGCE"])
def test_pilots_run_at_a_compute_element_and_return_their_output(
    home: Pool, compute_element: Pool, tmp_path: Path, plugin: str
) -> None:
    program = script(tmp_path, "echo $APFCID $FACTORYQUEUE; echo more > more.txt")
    made = factory(tmp_path, home, {"CE": elsewhere(plugin, program, compute_element)})
    with removed_at_end(made):
        once(made)
        there = 'MATCH_APF_QUEUE == "CE"'
        ran = done(made)
        assert {ad["JobUniverse"] for ad in ran} == {9}
        assert all(ad["GridJobId"].startswith(f"condor {compute_element.name} ") for ad in map(_text, ran))
        assert {ad["JobStatus"] for ad in ran} == {4}
        directory = next((tmp_path / "logs").glob("*/CE"))
        assert (directory / "more.txt").exists() == (plugin == "CondorCE"), "beside the logs, or nowhere"
        for ad in ran:
            job = f"{ad['ClusterId']}.{ad['ProcId']}"
            assert shlex.split((directory / f"{job}.out").read_text()) == [job, "CE"]
        until(lambda: len(compute_element.history(there)) >= 2, "they leave the compute element")
        assert {ad["JobUniverse"] for ad in compute_element.history(there)} == {5}


def _text(ad: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in ad.items()}


def test_replaces_a_pilot_held_at_the_compute_element(home: Pool, compute_element: Pool, tmp_path: Path) -> None:
    program = script(tmp_path, "sleep 100")
    made = factory(tmp_path, home, {"CEHELD": elsewhere("CondorCE", program, compute_element)})
    with removed_at_end(made):
        once(made)
        there = 'MATCH_APF_QUEUE == "CEHELD"'
        running = f"{there} && JobStatus == 2"
        until(lambda: len(compute_element.jobs(running)) == 2, "both run at the compute element", 60, 0.5)
        compute_element.run("condor_hold", "-constraint", there)
        until(lambda: not jobs(made), "held there, gone here (Nonessential)", 90, 0.5)
        assert {ad["JobStatus"] for ad in made.pool.history(f'APFFactory == "{made.id}"')} == {3}
        once(made)
        assert len(jobs(made)) == 2
