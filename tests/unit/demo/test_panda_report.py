"""The report of the PanDA demo, and the server that gives jobs to pilots."""

import json
from typing import Any
from urllib.request import Request, urlopen

import pytest

from localcloud.panda import PandaServer
from localcloud.pandademo.report import problems, table

GOOD: dict[str, Any] = {
    "jobs_activated": 40,
    "jobs_finished": 40,
    "jobs_left": 0,
    "pilots_submitted": 41,
    "pilots_completed": 41,
    "pilots_evicted": 0,
    "vms_started": 8,
    "vms_most": 8,
    "vms_terminated": 8,
    "vms_leaked": 0,
    "vm_jobs_left": 0,
    "all_done_s": 73.1,
    "decisions": {"A": 3},
    "decisions_held": 0,
    "failed_actions": [],
    "htcondor_version": "23.9.6",
}


def test_nothing_is_wrong_with_a_good_end() -> None:
    assert problems(GOOD) == []
    assert table(GOOD).row_count == 12


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"all_done_s": None}, "not over in time"),
        ({"jobs_finished": 39}, "1 of 40 jobs did not finish"),
        ({"jobs_left": 1}, "did not finish"),
        ({"pilots_completed": 40}, "1 of 41 pilots did not complete"),
        ({"pilots_evicted": 2}, "2 pilots were evicted"),
        ({"vms_started": 0}, "no VM was started"),
        ({"vms_leaked": 1}, "1 instances are not terminated"),
        ({"vm_jobs_left": 1}, "1 VM jobs are still in the queue"),
        ({"failed_actions": ["no answer"]}, "an action failed: no answer"),
    ],
)
def test_each_thing_that_is_wrong_is_said(changed: dict[str, Any], said: str) -> None:
    (sentence,) = problems({**GOOD, **changed})
    assert said in sentence


def ask(server: PandaServer, path: str, **body: object) -> dict[str, Any]:
    headers = {"Accept": "application/json"}
    with urlopen(Request(f"{server.url}/{path}", json.dumps(body).encode(), headers), timeout=10) as answer:  # noqa: S310
        data: dict[str, Any] = json.load(answer)["data"]
        return data


def test_each_pilot_gets_a_job_of_its_own_until_there_is_none() -> None:
    with PandaServer() as server:
        server.set("Q", activated=1)
        server.set("Q", resource="MCORE", activated=1)
        got = [ask(server, "pilot/acquire_jobs", site_name="Q") for _ in range(3)]
        assert [one["StatusCode"] for one in got] == [0, 0, 20]
        assert got[0]["PandaID"] != got[1]["PandaID"]
        assert server.counts("Q") == {"activated": 0, "running": 2}
        ask(server, "pilot/update_job", job_id=got[1]["PandaID"], job_status="finished")
        assert server.counts("Q") == {"activated": 0, "running": 1, "finished": 1}
        assert ask(server, "pilot/acquire_jobs", site_name="NOBODY") == {"StatusCode": 20}
