"""The demo's report: figures from evidence, failed checks and notes."""

from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from localcloud.demo.evidence import Evidence, count_events
from localcloud.demo.journal import JournalDecision
from localcloud.demo.ramps import Ramp
from localcloud.demo.report import DemoReport, build_report, version_number
from localcloud.demo.results import print_results
from localcloud.demo.scenario.base import DemoSettings
from localcloud.demo.scenario.jobs import JobsScenario, jobs_description

SCENARIO = JobsScenario(DemoSettings(jobs=2, second=1, job_s=15, max_to_run=10, sleep_s=3))


def job(cluster: int, proc: int, queued: int, **changes: object) -> dict[str, Any]:
    done = {
        "JobStatus": 4,
        "ExitCode": 0,
        "NumJobStarts": 1,
        "JobStartDate": queued + 20,
        "CompletionDate": queued + 35,
    }
    return {"ClusterId": cluster, "ProcId": proc, "QDate": queued} | done | changes


def vm_job(cluster: int, queued: int, **changes: object) -> dict[str, Any]:
    return {"ClusterId": cluster, "ProcId": 0, "QDate": queued, "JobStatus": 3, "APFVM": "u"} | changes


def instance(launched: float, ended: float | None, state: str = "terminated") -> dict[str, Any]:
    history = [["pending", launched], ["running", launched + 2]] + ([["terminated", ended]] if ended else [])
    return {"id": f"i-{launched:.0f}", "state": state, "history": history}


def decision(outcome: str = "none", vms: dict[str, int] | None = None, **changes: Any) -> JournalDecision:
    return JournalDecision("DEMO_CLOUD", 1.0, outcome, 0, "", vms=vms, **changes)


GOOD = Evidence(
    ramps=(Ramp(2, 1000.2, 1060.0), Ramp(1, 1061.5, 1110.0)),
    jobs=(job(1, 0, 1000), job(1, 1, 1000), job(5, 0, 1061)),
    vm_jobs=(vm_job(2, 1003), vm_job(3, 1003), vm_job(6, 1063)),
    events={"1.0": Counter({0: 1, 1: 1, 5: 1})},
    instances=(instance(1012, 1055.5), instance(1013, 1058.0), instance(1072, 1108.0)),
    requests={"RunInstances": 3, "DescribeInstances": 20},
    journal=(decision("submit", {}), decision("none", {"booting": 2}, waited=True), decision("blocked")),
    version="$CondorVersion: 23.9.6 2026-07-12 $",
)


def changed(took_s: float = 120, **changes: Any) -> DemoReport:
    return build_report(SCENARIO, replace(GOOD, **changes), took_s)


def test_figures_come_from_the_evidence() -> None:
    assert {key: value for key, value in asdict(changed(120.04)).items() if key != "ramps"} == {
        "scenario": "jobs",
        "jobs_submitted": 3,
        "jobs_completed": 3,
        "jobs_evicted": 0,
        "job_starts": 3,
        "scenario_figures": {},
        "vms_started": 3,
        "vms_terminated": 3,
        "vms_leaked": 0,
        "vms_needed": 3,
        "vms_limit": 10,
        "vm_jobs": 3,
        "vm_jobs_left": 0,
        "first_vm_requested_s": 3,
        "first_vm_expected_s": 8,
        "first_instance_s": 12,
        "all_done_s": 108.0,
        "took_s": 120.0,
        "took_expected_s": 300,
        "api_requests": 23,
        "api_requests_by_action": {"RunInstances": 3, "DescribeInstances": 20},
        "decisions": {"DEMO_CLOUD": 3},
        "decisions_blocked": 1,
        "decisions_waited": 1,
        "failed_actions": (),
        "apfqueue_sleep_s": 3,
        "htcondor_version": "23.9.6",
        "failures": (),
        "notes": (),
    }


def test_each_ramp_counts_its_own_vms_from_its_own_start() -> None:
    first, second = changed().ramps
    assert asdict(first) == {
        "jobs": 2,
        "vms_started": 2,
        "vms_needed": 2,
        "first_vm_requested_s": 3,
        "first_instance_s": 12,
        "first_job_started_s": 20,
        "jobs_done_s": 35,
        "vms_gone_s": 58.0,
    }
    assert (second.vms_started, second.first_vm_requested_s, second.first_instance_s) == (1, 2, 11)


@pytest.mark.parametrize(("jobs", "vms"), [(1, 1), (2, 2), (3, 2), (4, 3), (6, 5), (8, 6), (14, 10), (24, 10)])
def test_job_of_two_cores_needs_a_vm_and_two_of_one_core_share_one(jobs: int, vms: int) -> None:
    assert SCENARIO.vms_needed(jobs) == vms


def test_jobs_have_alternately_one_and_two_cores() -> None:
    text = jobs_description(3, 15, Path("/x/jobs.log"))
    assert "arguments           = 15\n" in text
    assert "queue cores in (1, 2, 1)\n" in text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"jobs": (*GOOD.jobs[:2], job(5, 0, 1061, JobStatus=1))}, "1 of 3 jobs did not complete"),
        ({"jobs": (*GOOD.jobs[:2], job(5, 0, 1061, ExitCode=1))}, "1 of 3 jobs did not complete"),
        ({"jobs": (*GOOD.jobs[:2], job(5, 0, 1061, NumJobStarts=2))}, "jobs evicted: 5.0"),
        ({"events": {"1.1": Counter({4: 1})}}, "jobs evicted: 1.1"),
        ({"events": {"1.1": Counter({7: 1})}}, "jobs evicted: 1.1"),
        ({"instances": (*GOOD.instances[:2], instance(1072, None, "running"))}, "not terminated: i-1072 (running)"),
        ({"instances": (*GOOD.instances, instance(1073, 1108.0))}, "2 VMs started, 1 needed"),
        ({"instances": ()}, "no VM was started"),
        ({"vm_jobs": (*GOOD.vm_jobs, vm_job(7, 1064, JobStatus=5))}, "VM jobs still in the queue: 1"),
        ({"ramps": (GOOD.ramps[0], Ramp(1, 1061.5))}, "1 of 2 ramps did not end"),
        ({"journal": (decision("submit", {}, failed=("no answer",)),)}, "an action failed: no answer"),
    ],
)
def test_failed_check_is_reported(changes: dict[str, Any], expected: str) -> None:
    assert any(expected in sentence for sentence in changed(**changes).failures)


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        (
            {"vm_jobs": (vm_job(2, 1025), vm_job(3, 1026), vm_job(6, 1063))},
            "the first VM was requested after 25 s; expected at most 8 s",
        ),
        ({"took_s": 301}, "the whole demo took 301 s; expected at most 300 s"),
    ],
)
def test_slow_demo_gets_a_note_and_no_failure(changes: dict[str, Any], note: str) -> None:
    report = changed(**changes)
    assert report.failures == ()
    assert report.notes == (note,)


def test_slow_demo_prints_its_note_and_passes() -> None:
    console = Console(record=True, width=100, force_terminal=False)
    print_results(console, SCENARIO, changed(301), Path("demo-output"))
    printed = console.export_text()
    assert "Note: the whole demo took 301 s; expected at most 300 s." in printed
    assert "All checks passed, but slower than expected." in printed


def test_failed_demo_prints_the_failure_and_does_not_pass() -> None:
    console = Console(record=True, width=100, force_terminal=False)
    print_results(console, SCENARIO, changed(instances=()), Path("demo-output"))
    printed = console.export_text()
    assert "FAILED: no VM was started." in printed
    assert "passed" not in printed


def test_report_without_any_record_fails() -> None:
    nothing = Evidence(
        ramps=(Ramp(2, 1000.0),), jobs=(), vm_jobs=(), events={}, instances=(), requests={}, journal=(), version=""
    )
    report = build_report(SCENARIO, nothing, 240)
    assert report.first_vm_requested_s is None
    assert report.all_done_s is None
    assert len(report.failures) == 3


def test_counts_events_by_job() -> None:
    text = "000 (012.000.000) 2026-01-01 Job submitted\n...\n001 (012.000.000) 2026 Job executing\n\t004 (no event)\n"
    assert count_events(text + "004 (012.003.000) 2026 Job was evicted.\n...\n") == {
        "12.0": Counter({0: 1, 1: 1}),
        "12.3": Counter({4: 1}),
    }


def test_version_is_the_number() -> None:
    assert version_number("$CondorVersion: 25.14.1 2026-08-01 $\n$CondorPlatform: X $") == "25.14.1"
    assert version_number("something else\n") == "something else"
