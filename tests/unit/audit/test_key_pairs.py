"""Owners of key pairs."""

import pytest

from factory.audit.key_pairs import key_pair_job, key_pair_jobs, key_pair_owner
from factory.model.cloud import KeyPairMaker, KeyPairOwner
from factory.model.vm import JobId

ME = KeyPairMaker("f1", "apf")
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
def test_reads_the_job_from_a_name_with_our_schedd(name: str, job: object) -> None:
    assert key_pair_job(name, "ap@pool") == job


def test_newest_jobs_come_first() -> None:
    """The history is read backwards."""
    names = [f"SSH_cm_ap@pool#7.3#{submitted}" for submitted in (1, 3, 2)]
    assert [submitted for _, submitted in key_pair_jobs([*names, "x"], "ap@pool").values()] == [3, 2, 1]


@pytest.mark.parametrize(
    ("queued", "makers", "owners"),
    [
        ({JOB}, {}, {"it": KeyPairOwner.NEEDED}),
        ({JOB}, {"it": ME}, {"it": KeyPairOwner.NEEDED}),
        ({(JOB[0], 1)}, {"it": ME}, {"it": KeyPairOwner.LEFT}),
        (set(), {"it": KeyPairMaker("f2", "apf")}, {"it": KeyPairOwner.FOREIGN}),
        (set(), {"it": KeyPairMaker("f1", "somebody")}, {"it": KeyPairOwner.FOREIGN}),
        (set(), {"it": KeyPairMaker("", "")}, {"it": KeyPairOwner.FOREIGN}),
        (set(), {"it": None}, {"it": KeyPairOwner.UNKNOWN}),
        (set(), {}, {}),
    ],
)
def test_owns_key_pair_only_if_job_left_and_history_names_us(
    queued: set[tuple[JobId, int]], makers: dict[str, KeyPairMaker | None], owners: dict[str, KeyPairOwner]
) -> None:
    """Rules 2 and 10."""
    assert key_pair_owner({"it": JOB}, queued, makers, ME) == owners
