"""Whose key pairs are."""

import pytest

from factory.audit.key_pairs import key_pair_job, key_pair_jobs, whose
from factory.model.cloud import Maker, Whose
from factory.model.vm import JobId

ME = Maker("f1", "apf")
JOB = JobId(7, 3), 1_700_000_000


@pytest.mark.parametrize(
    ("name", "job"),
    [
        ("SSH_cm.example:9618_ap@pool#7.3#1700000000", JOB),
        ("SSH_cm example 9618_ap pool 7 3 1700000000", JOB),
        ("SSH_cm_other@pool#7.3#1700000000", None),
        ("SSH_of a person", None),
    ],
)
def test_a_name_has_the_job_and_its_schedd(name: str, job: object) -> None:
    assert key_pair_job(name, "ap@pool") == job


def test_the_newest_come_first_since_the_history_is_read_backwards() -> None:
    names = [f"SSH_cm_ap@pool#7.3#{submitted}" for submitted in (1, 3, 2)]
    assert [submitted for _, submitted in key_pair_jobs([*names, "x"], "ap@pool").values()] == [3, 2, 1]


@pytest.mark.parametrize(
    ("queued", "makers", "found"),
    [
        ({JOB}, {}, {"it": Whose.NEEDED}),
        ({JOB}, {"it": ME}, {"it": Whose.NEEDED}),
        ({(JOB[0], 1)}, {"it": ME}, {"it": Whose.LEFT}),
        (set(), {"it": Maker("f2", "apf")}, {"it": Whose.FOREIGN}),
        (set(), {"it": Maker("f1", "somebody")}, {"it": Whose.FOREIGN}),
        (set(), {"it": Maker("", "")}, {"it": Whose.FOREIGN}),
        (set(), {"it": None}, {"it": Whose.UNKNOWN}),
        (set(), {}, {}),
    ],
)
def test_it_is_ours_only_if_the_queue_does_not_have_its_job_and_the_history_says_so(
    queued: set[tuple[JobId, int]], makers: dict[str, Maker | None], found: dict[str, Whose]
) -> None:
    """Rules 2 and 10."""
    assert whose({"it": JOB}, queued, makers, ME) == found
