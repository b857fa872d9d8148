"""The demo's report: figures from evidence, and what it finds wrong."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from localcloud.demo.evidence import Evidence, events
from localcloud.demo.play import Ramp
from localcloud.demo.report import make_report, problems, version, waited
from localcloud.demo.settings import Settings

SETTINGS = Settings(jobs=2, second=1, max_to_run=10, sleep_s=3)


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


def entry(outcome: str = "none", n: int | None = 0, ready: int = 0, pending: int = 0) -> dict[str, Any]:
    return {"outcome": outcome, "n": n, "wms": {"ready": ready}, "batch": {"pending": pending}}


GOOD = Evidence(
    ramps=(Ramp(1, 2, 1000.2, 1060.0), Ramp(5, 1, 1060.5, 1110.0)),
    jobs=(job(1, 0, 1000), job(1, 1, 1000), job(5, 0, 1061)),
    vm_jobs=(vm_job(2, 1003), vm_job(3, 1003), vm_job(6, 1063)),
    events={"1.0": Counter({0: 1, 1: 1, 5: 1})},
    instances=(instance(1012, 1055.5), instance(1013, 1058.0), instance(1072, 1108.0)),
    requests={"RunInstances": 3, "DescribeInstances": 20},
    journal=(entry("submit", 2, 2), entry(ready=2, pending=2), entry("blocked", None)),
    version="$CondorVersion: 23.9.6 2026-07-12 $",
)


def changed(took_s: float = 120, **changes: Any) -> list[str]:
    seen = replace(GOOD, **changes)
    return problems(seen, make_report(SETTINGS, seen, took_s))


def test_figures_come_from_the_evidence() -> None:
    report = make_report(SETTINGS, GOOD, 120.04)
    assert {key: value for key, value in report.items() if key != "ramps"} == {
        "jobs_submitted": 3,
        "jobs_completed": 3,
        "jobs_evicted": 0,
        "job_starts": 3,
        "vms_started": 3,
        "vms_terminated": 3,
        "vms_leaked": 0,
        "vms_by_law": 3,
        "vms_one_per_job": 3,
        "vm_jobs": 3,
        "vm_jobs_left": 0,
        "first_vm_requested_s": 3,
        "first_vm_requested_at_most_s": 8,
        "first_instance_s": 12,
        "all_done_s": 108.0,
        "api_requests": 23,
        "api_requests_by_action": {"RunInstances": 3, "DescribeInstances": 20},
        "decisions": 3,
        "decisions_held": 1,
        "decisions_waited": 1,
        "apfqueue_sleep_s": 3,
        "took_s": 120.0,
        "took_at_most_s": 300,
        "htcondor_version": "23.9.6",
    }


def test_each_ramp_counts_its_own_vms_and_from_its_own_start() -> None:
    first, second = make_report(SETTINGS, GOOD, 120)["ramps"]
    assert first == {
        "jobs": 2,
        "vms_started": 2,
        "vms_by_law": 2,
        "first_vm_requested_s": 3,
        "first_instance_s": 12,
        "first_job_started_s": 20,
        "jobs_done_s": 35,
        "vms_gone_s": 58.0,
    }
    assert (second["vms_started"], second["first_vm_requested_s"], second["first_instance_s"]) == (1, 2, 11)


@pytest.mark.parametrize(("jobs", "vms"), [(1, 1), (2, 2), (3, 2), (4, 3), (6, 5), (8, 6), (14, 10), (24, 10)])
def test_by_law_jobs_of_two_cores_have_a_machine_and_two_of_one_core_share_one(jobs: int, vms: int) -> None:
    assert SETTINGS.vms_by_law(jobs) == vms


def test_a_good_demo_has_no_problems() -> None:
    assert changed() == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"jobs": (*GOOD.jobs[:2], job(5, 0, 1061, JobStatus=1))}, "1 of 3 jobs did not complete"),
        ({"jobs": (*GOOD.jobs[:2], job(5, 0, 1061, ExitCode=1))}, "1 of 3 jobs did not complete"),
        ({"jobs": (*GOOD.jobs[:2], job(5, 0, 1061, NumJobStarts=2))}, "jobs evicted: 5.0"),
        ({"events": {"1.1": Counter({4: 1})}}, "jobs evicted: 1.1"),
        ({"events": {"1.1": Counter({7: 1})}}, "jobs evicted: 1.1"),
        ({"instances": (*GOOD.instances[:2], instance(1072, None, "running"))}, "not terminated: i-1072 (running)"),
        ({"instances": (*GOOD.instances, instance(1073, 1108.0))}, "2 VMs were started, 1 would have done"),
        ({"instances": ()}, "no VM was started"),
        ({"vm_jobs": (*GOOD.vm_jobs, vm_job(7, 1064, JobStatus=5))}, "1 VM jobs are still in the queue"),
        (
            {"vm_jobs": (vm_job(2, 1009), vm_job(3, 1010), vm_job(6, 1063))},
            "the first VM was requested after 9 s, not within 8 s",
        ),
        ({"took_s": 301}, "it took 301 s, not at most 300 s"),
        ({"ramps": (GOOD.ramps[0], Ramp(5, 1, 1060.5, None))}, "ramp of 1 jobs: not over in time"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], expected: str) -> None:
    assert any(expected in sentence for sentence in changed(**changes))


def test_evidence_of_nothing_makes_a_report_of_failure() -> None:
    nothing = Evidence(
        ramps=(Ramp(1, 2, 1000.0),), jobs=(), vm_jobs=(), events={}, instances=(), requests={}, journal=(), version=""
    )
    report = make_report(SETTINGS, nothing, 240)
    assert report["first_vm_requested_s"] is None
    assert report["all_done_s"] is None
    assert len(problems(nothing, report)) == 3


def test_events_are_counted_by_job() -> None:
    text = "000 (012.000.000) 2026-01-01 Job submitted\n...\n001 (012.000.000) 2026 Job executing\n\t004 (no event)\n"
    assert events(text + "004 (012.003.000) 2026 Job was evicted.\n...\n") == {
        "12.0": Counter({0: 1, 1: 1}),
        "12.3": Counter({4: 1}),
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (entry(ready=2, pending=2), True),
        (entry(ready=2, pending=0), False),
        (entry(ready=0, pending=2), False),
        (entry("submit", 1, ready=3, pending=2), False),
        ({"outcome": "blocked", "n": None, "wms": {"unknown": "x"}, "batch": {"unknown": "x"}}, False),
    ],
)
def test_a_decision_waited_if_jobs_wait_and_vms_are_on_their_way(given: dict[str, Any], expected: bool) -> None:
    assert waited(given) is expected


def test_the_version_is_the_number() -> None:
    assert version("$CondorVersion: 25.14.1 2026-08-01 $\n$CondorPlatform: X $") == "25.14.1"
    assert version("something else\n") == "something else"
