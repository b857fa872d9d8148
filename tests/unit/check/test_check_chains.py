"""What chains would do at their limits, asked of real chains; and limits of a pool against them."""

import pytest

from factory.check.chains import burst, kept_warm, lets_go_after, reach
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
def test_how_far_a_chain_goes(chain: Chain, expected: int | None) -> None:
    assert reach(chain, upto=20) == expected


def test_how_much_a_chain_asks_for_at_once() -> None:
    assert burst((READY, plugin(MaxPerCycle, maximum=80))) == 80
    assert burst((READY,)) == 1_000_000
    assert burst((plugin(Fit), plugin(MaxPerCycle, maximum=80))) == 80
    assert burst((plugin(Fit),)) == 100_000
    assert burst((THROTTLE,)) is None


def test_which_machines_a_chain_keeps_and_when_it_lets_others_go() -> None:
    after = (READY, at_most(50), plugin(RetireIdle, after=900, keep=3))
    assert kept_warm(after, 50) == 3
    assert lets_go_after(after, 3, 3600) == 900
    assert lets_go_after(after, 3, 600) == 601
    assert kept_warm((READY, at_most(50)), 50) is None
    fit = (plugin(Fit, after=600, keep=2), at_most(50))
    assert kept_warm(fit, 50) == 2
    assert lets_go_after(fit, 2, 3600) == 600


@pytest.mark.parametrize(
    ("value", "limit"),
    [("7", 7), (None, 20), ("10, big.example, 500", 10), ("10, ec2.eu, 500, ec2.us-east-1, 9", 9)],
)
def test_the_gridmanager_limits_by_host(value: str | None, limit: int) -> None:
    values = {} if value is None else {"GRIDMANAGER_MAX_SUBMITTED_JOBS_PER_RESOURCE_EC2": value}
    assert resource_limit(DaemonConfig("schedd x", values), "ec2.us-east-1.amazonaws.com") == limit


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("t2.small", 1), ("t3.micro", 2), ("m5.large", 2), ("m5.xlarge", 4), ("m1.xlarge", None), ("c5.18xlarge", 72),
        ("c7g.medium", 1), ("m5.metal", None), ("m1.small", 1), ("flavour-8", None), ("p4d.24xlarge", 96),
    ],
)  # fmt: skip
def test_cores_by_the_name_of_the_type(name: str, expected: int | None) -> None:
    assert cores(name) == expected
