"""500 queues on one schedd share one query. ``make bench`` measures the time of their rounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from localcloud.process import CloudProcess
from tests.rig.factory import Factory, ec2_queue
from tests.rig.pool import Pool
from tests.rig.wait import until

QUEUES = 500
SLEEP_S = 2


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """Yield a pool of its own whose schedd logs each query."""
    with Pool(tmp_path_factory.mktemp("pool"), config="SCHEDD_DEBUG = D_COMMAND") as pool:
        yield pool


def queries(pool: Pool) -> int:
    """Return the number of job queries that the schedd has answered."""
    return (pool.log / "SchedLog").read_text().count("(QUERY_JOB_ADS)")


def pilots(number: int) -> dict[str, object]:
    return {
        "enabled": True,
        "apfqueue.sleep": SLEEP_S,
        "batchstatusplugin": "Condor",
        "batchsubmitplugin": "CondorLocal",
        "schedplugin": "Fixed, MaxToRun",
        "sched.fixed.pilotspercycle": 1,
        "sched.maxtorun.maximum": 0 if number else 1,
        "executable": "/bin/true",
    }


def measured(made: Factory, rounds: int = 6) -> tuple[int, int]:
    """Return how many rounds a factory needs until all queues have decided ``rounds`` times, and how many queries.

    Rounds are counted, not beats of the clock: on a slow host a round takes longer than ``SLEEP_S``.
    """
    assert made.run("check", "--offline").returncode == 0
    before = queries(made.pool)
    with made:
        until(lambda: len(made.journal()) >= rounds * QUEUES, f"{rounds} rounds of all queues", 120)
    asked, journal = queries(made.pool) - before, made.journal()
    assert not any(entry["outcome"] == "blocked" for entry in journal)
    decisions = Counter((entry["decided"], entry["queue"]) for entry in journal)
    assert set(decisions.values()) == {1}, "a queue decides once a round"
    decided = len({entry["decided"] for entry in journal})
    assert decided <= 2 * rounds, "queues with equal intervals are decided together"
    return decided, asked


def factory(own: Pool, directory: Path, name: str, queues: Mapping[str, Mapping[str, object]]) -> Factory:
    return Factory(directory / name, own, name, queues)


def test_500_pilot_queues_query_the_schedd_once_a_round(own: Pool, tmp_path: Path) -> None:
    made = factory(own, tmp_path, "pilots", {f"QUEUE{number}": pilots(number) for number in range(QUEUES)})
    rounds, asked = measured(made)
    assert asked <= rounds + 2, "one query per round, one at the start, and one of an interrupted last round"


def test_500_queues_with_pilots_and_vms_need_few_queries(own: Pool, cloud: CloudProcess, tmp_path: Path) -> None:
    queues: dict[str, dict[str, object]] = {}
    for number in range(QUEUES):
        vms = ec2_queue(cloud, f"WORK{number}", apfqueue__sleep=SLEEP_S)
        demand = {"wmsstatusplugin": "CondorLocal", "wmsqueue": f"WORK{number}", "schedplugin": "Ready, MaxPending"}
        queues[f"QUEUE{number}"] = vms if number % 2 else pilots(number) | demand
    made = factory(own, tmp_path, "mixed", queues)
    rounds, asked = measured(made)
    assert asked <= 6 * rounds, "a few queries per round for any number of queues"


def test_500_fit_queues_need_few_queries(own: Pool, cloud: CloudProcess, tmp_path: Path) -> None:
    keys = {"apfqueue__sleep": SLEEP_S, "schedplugin": "Fit, MaxToRun", "sched__maxtorun__maximum": 0}
    queues = {f"QUEUE{number}": ec2_queue(cloud, f"WORK{number}", **keys) for number in range(QUEUES)}
    for number in range(0, QUEUES, 25):
        own.submit({"executable": "/bin/true", "My.MATCH_APF_QUEUE": f'"WORK{number}"'}, 3)
    made = factory(own, tmp_path, "fit", queues)
    rounds, asked = measured(made)
    waits = [entry for entry in made.journal() if "3 jobs are waiting" in str(entry["steps"])]
    assert {entry["queue"] for entry in waits} == {f"QUEUE{number}" for number in range(0, QUEUES, 25)}
    assert asked <= 8 * rounds, "a few queries per round for any number of queues"
