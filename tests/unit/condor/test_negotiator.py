"""Quotas, ceilings and concurrency limits from the output of HTCondor's tools."""

import pytest

from factory.condor.negotiator import concurrency_maximum, parse_concurrency_limits, parse_negotiator_limits

USAGE = """
AccountingGroup1 = "<none>"
ConfigQuota1 = 0.0
IsAccountingGroup1 = true
Name1 = "<none>"
SurplusPolicy1 = "no"
ConfigQuota2 = 0.3
IsAccountingGroup2 = true
Name2 = "part"
SurplusPolicy2 = "no"
ConfigQuota3 = 0.0
HierWeightedResourcesUsed3 = 0.0
IsAccountingGroup3 = true
Name3 = "Group_None"
SurplusPolicy3 = "no"
ConfigQuota10 = 20.0
HierWeightedResourcesUsed10 = 7.5
IsAccountingGroup10 = true
Name10 = "some.sub"
SurplusPolicy10 = "no"
WeightedResourcesUsed10 = 4.0
ConfigQuota11 = 20.0
IsAccountingGroup11 = true
Name11 = "generous"
SurplusPolicy11 = "byquota"
Ceiling12 = 5
IsAccountingGroup12 = false
Name12 = "some.sub.Eve@pool.test"
WeightedResourcesUsed12 = 3.0
Ceiling13 = -1
IsAccountingGroup13 = false
Name13 = "bob@pool.test"
NumSubmittors = 13
"""

CONFIG = """
# Configuration from negotiator on pool.test <127.0.0.1:35419>

# Parameters with names that match LIMIT:
CONCURRENCY_LIMIT_DEFAULT = 2308032
CONCURRENCY_LIMIT_DEFAULT_small = 4
LICENCE_LIMIT = 3
BIG.FOO_LIMIT = 0
ODD_LIMIT = $(NUMBER)
NEGOTIATOR.OWN_LIMIT = 8
OWN_LIMIT = 9
"""


def test_quotas_with_surplus_or_in_fractions_limit_nothing() -> None:
    found = parse_negotiator_limits(USAGE, CONFIG)
    assert found.quotas == {"group_none": (0, 0), "some.sub": (20, 7.5)}
    assert found.ceilings == {"some.sub.eve": (5, 3)}


def test_quota_that_is_a_part_of_the_pool_is_known_with_its_present_size() -> None:
    row = 'IsAccountingGroup = true\nConfigQuota = 0.25\nName = "part"\nSurplusPolicy = "no"\nEffectiveQuota = 2.0\n'
    found = parse_negotiator_limits(f"{row}HierWeightedResourcesUsed = 3.0\n", "")
    assert (found.quotas, found.shares) == ({}, {"part": (2.0, 3.0)})


def test_reads_one_ad_per_submitter_of_newer_versions() -> None:
    found = parse_negotiator_limits(
        'IsAccountingGroup = false\nCeiling = 0\nName = "bob@pool.test"\n\n'
        'IsAccountingGroup = true\nConfigQuota = 8.0\nName = "small"\nSurplusPolicy = "no"\n',
        "",
    )
    assert (found.ceilings, found.quotas) == ({"bob": (0, 0)}, {"small": (8, 0)})


@pytest.mark.parametrize(
    ("words", "takes"),
    [
        ("Licence", [("licence", 1)]),
        ("big.Foo:2.5, licence", [("big.foo", 2.5), ("licence", 1)]),
        ("a:0 b:-1,,c:x", [("a", 1), ("b", 1), ("c", 1)]),
        ("", []),
        (None, []),
    ],
)
def test_concurrency_limits_of_a_job_are_parsed(words: str | None, takes: list[tuple[str, float]]) -> None:
    assert list(parse_concurrency_limits(words)) == takes


@pytest.mark.parametrize(
    ("limit", "most"),
    [
        ("licence", 3),
        ("big.foo", 0),
        ("small.one", 4),
        ("other", 2308032),
        ("odd", None),
        ("own", 8),
    ],
)
def test_concurrency_maximum_is_found_as_the_negotiator_finds_it(limit: str, most: float | None) -> None:
    assert concurrency_maximum(limit, parse_negotiator_limits(USAGE, CONFIG).settings) == most


def test_concurrency_maximum_is_unknown_without_configuration() -> None:
    assert concurrency_maximum("licence", parse_negotiator_limits(USAGE, "").settings) is None
