"""Timelines rebuilt from job ads and from the journal, and the demo's jobs."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from localcloud.demo.settings import jobs_description
from localcloud.demo.timeline import Steps, jobs_over_time, vms_over_time


def test_a_job_is_idle_until_it_starts_and_runs_until_it_completes() -> None:
    ads = [{"QDate": 10, "JobStartDate": 20, "CompletionDate": 30}, {"QDate": 12}]
    idle, running = jobs_over_time(ads)
    assert idle == Steps((10, 12, 20), (1, 2, 1))
    assert running == Steps((20, 30), (1, 0))


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(1, 50))))
def test_counts_never_fall_below_zero_and_end_there(lives: list[tuple[int, int, int]]) -> None:
    ads = [{"QDate": 1 + q, "JobStartDate": 1 + q + w, "CompletionDate": 1 + q + w + r} for q, w, r in lives]
    for steps in jobs_over_time(ads):
        assert all(count >= 0 for count in steps.counts)
        assert not lives or steps.counts[-1] == 0


def test_vms_are_counted_by_state_at_each_decision_that_knew_them() -> None:
    journal = [
        {"outcome": "submit", "decided": 1.0, "states": {}},
        {"outcome": "blocked", "decided": 2.0, "states": {}},
        {"outcome": "none", "decided": 3.0, "states": {"booting": 2}},
        {"outcome": "none", "decided": 4.0, "states": {"booting": 1, "busy": 1}},
    ]
    assert vms_over_time(journal) == ((1.0, 3.0, 4.0), {"booting": (0, 2, 1), "busy": (0, 0, 1)})


def test_jobs_are_of_one_and_two_cores_in_turn() -> None:
    text = jobs_description(3, 15, Path("/x/jobs.log"))
    assert "arguments           = 15\n" in text
    assert "queue cores in (1, 2, 1)\n" in text
