"""Timelines rebuilt from job ads and from the journal."""

from hypothesis import given
from hypothesis import strategies as st

from localcloud.demo.journal import JournalDecision
from localcloud.demo.timeline import Steps, jobs_over_time, vms_over_time


def test_job_is_idle_until_it_starts_and_running_until_it_completes() -> None:
    ads = [{"QDate": 10, "JobStartDate": 20, "CompletionDate": 30}, {"QDate": 12}]
    idle, running = jobs_over_time(ads)
    assert idle == Steps((10, 12, 20), (1, 2, 1))
    assert running == Steps((20, 30), (1, 0))


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(1, 50))))
def test_counts_of_completed_jobs_stay_above_zero_and_end_at_zero(lives: list[tuple[int, int, int]]) -> None:
    ads = [{"QDate": 1 + q, "JobStartDate": 1 + q + w, "CompletionDate": 1 + q + w + r} for q, w, r in lives]
    for steps in jobs_over_time(ads):
        assert all(count >= 0 for count in steps.counts)
        assert not lives or steps.counts[-1] == 0


def test_vms_are_counted_at_each_decision_that_was_not_blocked() -> None:
    journal = [
        JournalDecision("Q", 1.0, "submit", 2, "", vms={}),
        JournalDecision("Q", 2.0, "blocked", 0, "", vms=None),
        JournalDecision("P", 2.5, "none", 0, "", vms={"busy": 9}),
        JournalDecision("Q", 3.0, "none", 0, "", vms={"booting": 2}),
        JournalDecision("Q", 4.0, "none", 0, "", vms={"booting": 1, "busy": 1}),
    ]
    assert vms_over_time(journal, "Q") == ((1.0, 3.0, 4.0), {"booting": [0, 2, 1], "busy": [0, 0, 1]})
