"""Tests of the limits of real chains, and of the gridmanager's limit."""

import pytest

from factory.check.chains import kept_idle, max_at_once, max_total, retires_after
from factory.check.limits import resource_limit
from factory.condor.tools.config_val import DaemonConfig
from factory.plugin.sched import SchedPlugin
from plugins.batchsubmit.ec2types import cores
from plugins.sched.fit import Fit
from plugins.sched.maxpercycle import MaxPerCycle
from plugins.sched.maxtorun import MaxToRun
from plugins.sched.null import Null
from plugins.sched.ready import Ready
from plugins.sched.retireidle import RetireIdle
from plugins.sched.throttle import Throttle
from tests.rig.chains import plugin

Chain = tuple[SchedPlugin, ...]

READY = plugin(Ready)
THROTTLE = plugin(Throttle, maxtime=60)


def at_most(n: int) -> SchedPlugin:
    return plugin(MaxToRun, maximum=n)


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        ((READY, at_most(10)), 10),
        ((READY, at_most(21)), 21),
        ((READY, at_most(5000)), 21),
        ((READY, plugin(MaxPerCycle, maximum=3), at_most(10)), 10),
        ((READY,), 21),
        ((plugin(Null),), 0),
        ((READY, THROTTLE), None),
        ((plugin(Fit), plugin(MaxPerCycle, maximum=3), at_most(10)), 10),
        ((plugin(Fit), at_most(5000)), 21),
        ((plugin(Fit),), 21),
    ],
)
def test_finds_the_largest_total_of_a_chain(chain: Chain, expected: int | None) -> None:
    assert max_total(chain, upto=20) == expected


def test_finds_the_largest_submit_of_a_chain() -> None:
    assert max_at_once((READY, plugin(MaxPerCycle, maximum=80))) == 80
    assert max_at_once((READY,)) == 1_000_000
    assert max_at_once((plugin(Fit), plugin(MaxPerCycle, maximum=80))) == 80
    assert max_at_once((plugin(Fit),)) == 100_000
    assert max_at_once((THROTTLE,)) is None


def test_finds_idle_vms_kept_and_when_others_retire() -> None:
    after = (READY, at_most(50), plugin(RetireIdle, after=900, keep=3))
    assert kept_idle(after, 50) == 3
    assert retires_after(after, 3, 3600) == 900
    assert retires_after(after, 3, 600) == 601
    assert kept_idle((READY, at_most(50)), 50) is None
    fit = (plugin(Fit, after=600, keep=2), at_most(50))
    assert kept_idle(fit, 50) == 2
    assert retires_after(fit, 2, 3600) == 600


@pytest.mark.parametrize(
    ("value", "limit"),
    [("7", 7), (None, 20), ("10, big.example, 500", 10), ("10, ec2.eu, 500, ec2.us-east-1, 9", 9)],
)
def test_reads_gridmanager_limit_per_host(value: str | None, limit: int) -> None:
    values = {} if value is None else {"GRIDMANAGER_MAX_SUBMITTED_JOBS_PER_RESOURCE_EC2": value}
    assert resource_limit(DaemonConfig("schedd x", values), "ec2.us-east-1.amazonaws.com") == limit


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("t2.small", 1), ("t3.micro", 2), ("m5.large", 2), ("m5.xlarge", 4), ("m1.xlarge", None), ("c5.18xlarge", 72),
        ("c7g.medium", 1), ("m5.metal", None), ("m1.small", 1), ("flavour-8", None), ("p4d.24xlarge", 96),
    ],
)  # fmt: skip
def test_finds_cores_from_the_name_of_the_type(name: str, expected: int | None) -> None:
    assert cores(name) == expected
