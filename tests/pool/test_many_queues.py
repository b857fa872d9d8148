"""500 queues on one schedd: it is asked once for all of them, and deciding for them costs little."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from localcloud.process import CloudProcess
from tests.rig.factory import Factory, ec2_queue
from tests.rig.pool import Pool
from tests.rig.wait import until

QUEUES = 500
BEAT_S = 4

Say = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A pool whose schedd writes down each query, and that nobody else asks."""
    with Pool(tmp_path_factory.mktemp("pool"), config="SCHEDD_DEBUG = D_COMMAND") as pool:
        yield pool


def queries(pool: Pool) -> int:
    """Job queries that the schedd has answered."""
    return (pool.log / "SchedLog").read_text().count("(QUERY_JOB_ADS)")


def cpu_s(pid: int) -> float:
    """CPU time of a process and its children so far."""
    children = subprocess.run(["pgrep", "--parent", str(pid)], capture_output=True, text=True, check=False).stdout
    total = 0
    for each in (pid, *map(int, children.split())):
        fields = Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        total += sum(int(field) for field in fields[11:15])
    return total / os.sysconf("SC_CLK_TCK")


def pilots(number: int) -> dict[str, object]:
    return {
        "enabled": True,
        "apfqueue.sleep": BEAT_S,
        "batchstatusplugin": "Condor",
        "batchsubmitplugin": "CondorLocal",
        "schedplugin": "Fixed, MaxToRun",
        "sched.fixed.pilotspercycle": 1,
        "sched.maxtorun.maximum": 0 if number else 1,
        "executable": "/bin/true",
    }


def measured(made: Factory, say: Say, what: str, beats: int = 3) -> tuple[int, int]:
    """Rounds of all queues, and queries of the schedd meanwhile; fails when they cost too much CPU."""
    with made:
        until(lambda: len(made.journal()) >= 2 * QUEUES, "two rounds of all queues", 60)
        assert made._child is not None
        pid = made._child.pid
        time.sleep(BEAT_S / 2)  # between two beats
        entries, asked, used = len(made.journal()), queries(made.pool), cpu_s(pid)
        until(lambda: len(made.journal()) >= entries + beats * QUEUES, f"{beats} rounds of all queues", 60)
        time.sleep(BEAT_S / 2)
        journal = made.journal()[entries:]
        asked, used = queries(made.pool) - asked, cpu_s(pid) - used
    rounds = len({entry["decided"] for entry in journal})
    with say.disabled():
        each = used / beats
        print(f"\n{what}: {len(journal)} decisions in {rounds} rounds, {asked} queries, {each:.2f} s of CPU a round")
    assert len(journal) == beats * QUEUES, "each queue decides once a beat"
    assert used / beats < 5
    assert not any(entry["outcome"] == "blocked" for entry in journal)
    return rounds, asked


def checked(made: Factory, say: Say, *options: str) -> float:
    """How long ``apf check`` takes."""
    began = time.monotonic()
    command = ["apf", "check", *options, "--conf", str(made.write_conf())]
    done = subprocess.run(command, env=made.pool.env, capture_output=True, text=True, check=False, timeout=120)
    took_s = time.monotonic() - began
    assert done.returncode == 0, done.stdout + done.stderr
    with say.disabled():
        print(f"\napf check {' '.join(options)}: {took_s:.2f} s")
    return took_s


def factory(own: Pool, directory: Path, name: str, queues: Mapping[str, Mapping[str, object]]) -> Factory:
    return Factory(directory / name, own, name, queues)


def test_500_queues_of_pilots_ask_the_schedd_once_a_round(
    own: Pool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = factory(own, tmp_path, "pilots", {f"QUEUE{number}": pilots(number) for number in range(QUEUES)})
    assert checked(made, capsys, "--offline") < 10
    rounds, asked = measured(made, capsys, "pilots")
    assert asked == rounds, "one query each"
    assert rounds <= 6, "queues with the same rhythm are decided together"


def test_500_queues_with_demand_pilots_and_vms_ask_it_a_few_times(
    own: Pool, cloud: CloudProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queues: dict[str, dict[str, object]] = {}
    for number in range(QUEUES):
        vms = ec2_queue(cloud, f"WORK{number}", apfqueue__sleep=BEAT_S)
        demand = {"wmsstatusplugin": "CondorLocal", "wmsqueue": f"WORK{number}", "schedplugin": "Ready, MaxPending"}
        queues[f"QUEUE{number}"] = vms if number % 2 else pilots(number) | demand
    made = factory(own, tmp_path, "mixed", queues)
    assert checked(made, capsys, "--offline") < 10
    rounds, asked = measured(made, capsys, "pilots and VMs")
    assert asked <= 6 * rounds, "a few queries each, however many queues there are"
    assert rounds <= 6


def test_500_queues_that_look_at_groups_of_jobs_ask_it_a_few_times(
    own: Pool, cloud: CloudProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = {"apfqueue__sleep": BEAT_S, "schedplugin": "Fit, MaxToRun", "sched__maxtorun__maximum": 0}
    queues = {f"QUEUE{number}": ec2_queue(cloud, f"WORK{number}", **keys) for number in range(QUEUES)}
    for number in range(0, QUEUES, 25):
        own.submit({"executable": "/bin/true", "My.MATCH_APF_QUEUE": f'"WORK{number}"'}, 3)
    made = factory(own, tmp_path, "fit", queues)
    assert checked(made, capsys, "--offline") < 20
    rounds, asked = measured(made, capsys, "groups of jobs")
    waits = [entry for entry in made.journal() if "3 jobs are waiting" in str(entry["steps"])]
    assert {entry["queue"] for entry in waits} == {f"QUEUE{number}" for number in range(0, QUEUES, 25)}
    assert asked <= 8 * rounds, "a few queries each, however many queues there are"
    assert rounds <= 6
