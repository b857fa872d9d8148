"""The scenario of the PanDA demo: its checks, and the server that gives jobs to pilots."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from localcloud.demo.evidence import Evidence
from localcloud.demo.journal import JournalDecision
from localcloud.demo.ramps import Ramp
from localcloud.demo.report import build_report
from localcloud.demo.results import report_table
from localcloud.demo.scenario.panda import PILOT_QUEUE, PandaScenario
from localcloud.panda import PandaServer

PILOT = {
    "ProcId": 0,
    "JobStatus": 4,
    "ExitCode": 0,
    "NumJobStarts": 1,
    "QDate": 1002,
    "JobStartDate": 1020,
    "CompletionDate": 1030,
}
GOOD = Evidence(
    ramps=(Ramp(2, 1000.0, 1060.0),),
    jobs=tuple(PILOT | {"ClusterId": cluster} for cluster in (1, 2, 3)),
    vm_jobs=({"ClusterId": 9, "ProcId": 0, "JobStatus": 3, "QDate": 1005, "APFVM": "u"},),
    events={},
    instances=({"id": "i-1", "state": "terminated", "history": [["pending", 1010.0], ["terminated", 1055.0]]},),
    requests={},
    journal=(
        JournalDecision(PILOT_QUEUE, 1001.0, "submit", 3, "", vms={}, waited=True),
        JournalDecision(PandaScenario.vm_queue, 1004.0, "submit", 1, "", vms={}),
    ),
    version="$CondorVersion: 23.9.6 2026-07-12 $",
)


@pytest.fixture
def scenario(tmp_path: Path) -> Iterator[PandaScenario]:
    """A scenario whose two PanDA jobs have finished."""
    played = PandaScenario(PandaScenario.defaults)
    with played.services(tmp_path):
        played.panda.set(PILOT_QUEUE, finished=2)
        yield played


def failures(scenario: PandaScenario, **changes: Any) -> tuple[str, ...]:
    return build_report(scenario, replace(GOOD, **changes), 60).failures


def test_good_demo_passes_and_counts_pilots_and_panda_jobs(scenario: PandaScenario) -> None:
    report = build_report(scenario, GOOD, 60)
    assert report.failures == report.notes == ()
    assert report.scenario_figures == {"PanDA jobs activated": 2, "PanDA jobs finished": 2, "pilots without a job": 1}
    assert (report.jobs_submitted, report.jobs_completed) == (3, 3)
    assert report.decisions == {PILOT_QUEUE: 1, PandaScenario.vm_queue: 1}
    assert report.decisions_waited == 0, "of the queue that buys VMs"
    assert "pilots submitted" in list(report_table(scenario, report).columns[0].cells)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"jobs": (*GOOD.jobs[:2], {**GOOD.jobs[2], "JobStatus": 1})}, "1 of 3 pilots did not complete"),
        ({"events": {"1.0": Counter({4: 1})}}, "pilots evicted: 1.0"),
        ({"instances": ()}, "no VM was started"),
        ({"instances": ({**GOOD.instances[0], "state": "running"},)}, "instances not terminated: i-1 (running)"),
        ({"vm_jobs": ({**GOOD.vm_jobs[0], "JobStatus": 2},)}, "VM jobs still in the queue: 1"),
        ({"ramps": (Ramp(2, 1000.0),)}, "1 of 1 ramps did not end"),
        ({"journal": (replace(GOOD.journal[0], failed=("no answer",)),)}, "an action failed: no answer"),
    ],
)
def test_each_failed_check_is_one_sentence(scenario: PandaScenario, changes: dict[str, Any], expected: str) -> None:
    assert failures(scenario, **changes) == (expected,)


@pytest.mark.parametrize("states", [{"finished": 1}, {"finished": 1, "running": 1}, {"finished": 1, "failed": 1}])
def test_unfinished_panda_job_is_a_failure(scenario: PandaScenario, states: dict[str, Any]) -> None:
    scenario.panda.set(PILOT_QUEUE, **states)
    assert failures(scenario) == ("1 of 2 PanDA jobs did not finish",)


def test_second_ramp_keeps_the_finished_jobs(scenario: PandaScenario) -> None:
    scenario.panda.activate(PILOT_QUEUE, 3)
    work = scenario.work(5, idle=1, running=0)
    assert work["PanDA jobs"] == {"activated": 3, "running": 0, "finished": 2}
    assert work["pilots"] == {"idle": 1, "running": 0}


def ask(server: PandaServer, path: str, **body: object) -> dict[str, Any]:
    headers = {"Accept": "application/json"}
    with urlopen(Request(f"{server.url}/{path}", json.dumps(body).encode(), headers), timeout=10) as answer:  # noqa: S310
        data: dict[str, Any] = json.load(answer)["data"]
        return data


def test_each_pilot_gets_its_own_job_until_none_is_left() -> None:
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
