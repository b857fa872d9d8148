"""Each plain sched plugin follows the law of its docstring, in cases that are easy to get wrong."""

from typing import Any

import pytest

from factory.model.status import BatchStatus, WmsStatus
from factory.plugin.sched import Info, SchedPlugin, View
from plugins.sched.activated import Activated
from plugins.sched.fixed import Fixed
from plugins.sched.keepnrunning import KeepNRunning
from plugins.sched.maxpending import MaxPending
from plugins.sched.maxpercycle import MaxPerCycle
from plugins.sched.maxperfactory import MaxPerFactory
from plugins.sched.maxtorun import MaxToRun
from plugins.sched.minpending import MinPending
from plugins.sched.minpercycle import MinPerCycle
from plugins.sched.null import Null
from plugins.sched.ready import Ready
from plugins.sched.scale import Scale
from plugins.sched.statusoffline import StatusOffline
from plugins.sched.statustest import StatusTest
from plugins.sched.throttle import Throttle
from tests.rig.chains import plugin, view


def full(ready: int = 0, site: str = "online", total: int = 0, **batch: Any) -> View:
    """Return a view in which everything is known."""
    return view(WmsStatus(ready=ready), BatchStatus(**batch), site, total)


TABLE: list[tuple[SchedPlugin, int, View, int, str]] = [
    (plugin(Ready), 7, full(ready=10, pending=3, running=99), 7, "10 ready, 3 pending"),
    (plugin(Ready, offset=4), 0, full(ready=10, pending=3), 3, "10 ready, offset 4, 3 pending"),
    (plugin(Ready), -9, full(pending=5), 0, "0 ready, 5 pending"),
    (plugin(Ready), 0, full(ready=9, retiring=4, held=5), 9, "9 ready, 0 pending"),
    (plugin(Fixed), 5, full(), 0, "no number set"),
    (plugin(Fixed, pilotspercycle=0), 5, full(), 0, "always 0 per cycle"),
    (plugin(Fixed, pilotspercycle=-4), 5, full(), -4, "always -4 per cycle"),
    (
        plugin(KeepNRunning, keep_running=10),
        99,
        full(pending=2, running=3, retiring=4),
        5,
        "5 pending or running, target 10",
    ),
    (plugin(KeepNRunning), 3, full(pending=2, running=3), -2, "5 pending or running, target 3"),
    (plugin(KeepNRunning, keep_running=0), 3, full(running=3), -3, "3 pending or running, target 0"),
    (plugin(MaxPending), 9, full(pending=2), 9, "no maximum set"),
    (plugin(MaxPending, maximum=5), 9, full(), 9, "nothing is pending"),
    (plugin(MaxPending, maximum=5), 9, full(pending=2), 3, "2 of at most 5 pending"),
    (plugin(MaxPending, maximum=5), 9, full(pending=8), -3, "8 of at most 5 pending"),
    (plugin(MaxPending, maximum=5, allow_negative=False), 9, full(pending=8), 0, "8 of at most 5 pending"),
    (plugin(MaxPending, maximum=5, allow_negative=False), -2, full(pending=8), -2, "8 of at most 5 pending"),
    (plugin(MaxPending, maximum=0), 9, full(), 9, "nothing is pending"),
    (plugin(MinPending), -9, full(), -9, "no minimum set"),
    (plugin(MinPending, minimum=5), -9, full(pending=7), -2, "7 pending, minimum 5"),
    (plugin(MinPending, minimum=5), 1, full(pending=2), 3, "2 pending, minimum 5"),
    (plugin(MaxPerCycle), 9, full(), 9, "no maximum set"),
    (plugin(MaxPerCycle, maximum=0), 9, full(), 0, "at most 0 per cycle"),
    (plugin(MaxPerCycle, maximum=5), -9, full(), -9, "at most 5 per cycle"),
    (plugin(MinPerCycle), -9, full(), -9, "no minimum set"),
    (plugin(MinPerCycle, minimum=-2), -9, full(), -2, "at most 2 retired per cycle"),
    (plugin(MinPerCycle, minimum=0), -9, full(), 0, "at least 0 per cycle"),
    (plugin(MaxToRun), 9, full(pending=1, running=1), 9, "no maximum set"),
    (plugin(MaxToRun, maximum=20), 9, full(pending=10, running=7), 3, "room for 3 of 20"),
    (plugin(MaxToRun, maximum=20), 9, full(pending=10, running=15), -5, "5 over the maximum of 20"),
    (plugin(MaxToRun, maximum=20), 9, full(running=15, retiring=9, held=9), 5, "room for 5 of 20"),
    (
        plugin(MaxToRun, maximum=20),
        9,
        full(running=15, lost=2, orphans=1),
        2,
        "room for 2 of 20, 3 taken by lost or held VMs or instances without a VM job",
    ),
    (plugin(MaxToRun, maximum=20), 9, full(running=21, lost=2), -1, "1 over the maximum of 20"),
    (plugin(MaxPerFactory), 9, full(total=10**6), 9, "no maximum set"),
    (plugin(MaxPerFactory, factory_maximum=80), 9, full(total=80), 0, "the factory has room for 0 of 80"),
    (plugin(MaxPerFactory, factory_maximum=80), -9, full(total=80), -9, "the factory has room for 0 of 80"),
    (plugin(MaxPerFactory, factory_maximum=80), -9, full(total=81), 0, "the factory has 81, over its maximum of 80"),
    (plugin(Scale), 9, full(), 9, "9 times 1, rounded up"),
    (plugin(Scale, factor=0.5), 1, full(), 1, "1 times 0.5, rounded up"),
    (plugin(Scale, factor=0.5), -1, full(), 0, "-1 times 0.5, rounded up"),
    (plugin(Scale, factor=0.5), -3, full(), -1, "-3 times 0.5, rounded up"),
    (plugin(StatusOffline, pilots=3), 9, full(site="offline"), 3, "the site is offline"),
    (plugin(StatusOffline, pilots=3), 9, full(site="test"), 9, "the site is test"),
    (plugin(StatusTest), 9, full(site="test"), 0, "the site is test"),
    (plugin(StatusTest, pilots=3), -9, full(site="online"), -9, "the site is online"),
    (plugin(Null), 9, full(), 0, "this queue neither buys nor retires"),
]


@pytest.mark.parametrize(("step", "n", "seen", "n_out", "reason"), TABLE)
def test_plugin_follows_its_law_and_gives_the_reason(
    step: SchedPlugin, n: int, seen: View, n_out: int, reason: str
) -> None:
    answer = step.step(n, seen)
    assert (answer.n, answer.reason) == (n_out, reason)


ACTIVATED: list[tuple[dict[str, Any], dict[str, Any], int, str]] = [
    ({}, {"ready": 9, "pending": 2}, 7, "9 ready, 2 pending"),
    ({}, {"ready": 1, "pending": 2}, 0, "1 ready, 2 pending"),
    (
        {"max_jobs_torun": 3000, "max_pilots_per_cycle": 100, "min_pilots_per_cycle": 0, "max_pilots_pending": 10**7},
        {"ready": 87, "pending": 20, "running": 107},
        67,
        "87 ready, 20 pending",
    ),
    (
        {"max_pilots_per_cycle": 80, "max_pilots_pending": 100},
        {"ready": 500, "pending": 10},
        80,
        "500 ready, 10 pending; max_pilots_per_cycle = 80 makes it 80",
    ),
    (
        {"max_pilots_per_cycle": 80, "max_pilots_pending": 100},
        {"ready": 500, "pending": 90},
        10,
        "500 ready, 90 pending; max_pilots_per_cycle = 80 makes it 80; max_pilots_pending = 100 makes it 10",
    ),
    (
        {"max_pilots_pending": 100},
        {"ready": 500, "pending": 130},
        -30,
        "500 ready, 130 pending; max_pilots_pending = 100 makes it -30",
    ),
    (
        {"max_jobs_torun": 20},
        {"ready": 50, "pending": 5, "running": 20},
        -5,
        "50 ready, 5 pending; max_jobs_torun = 20 makes it -5",
    ),
    (
        {"max_jobs_torun": 20, "min_pilots_pending": 8},
        {"ready": 50, "pending": 5, "running": 20},
        3,
        "50 ready, 5 pending; max_jobs_torun = 20 makes it -5; min_pilots_pending = 8 makes it 3",
    ),
    ({"min_pilots_per_cycle": 4}, {"ready": 0}, 4, "0 ready, 0 pending; min_pilots_per_cycle = 4 makes it 4"),
    ({"max_pilots_per_cycle": 0, "max_pilots_pending": 0}, {"ready": 9}, 9, "9 ready, 0 pending"),
    ({"min_pilots_per_cycle": 4}, {"ready": 9, "site": "offline"}, 0, "the site is offline"),
    ({"testmode.pilots": 3}, {"ready": 9, "site": "test"}, 9, "9 ready, 0 pending"),
    (
        {"testmode.allowed": True, "testmode.pilots": 3},
        {"ready": 9, "pending": 10, "site": "test"},
        3,
        "the site is test, 10 of at most 10 pending",
    ),
    (
        {"testmode.allowed": True, "testmode.pilots": 3},
        {"ready": 9, "pending": 11, "site": "test"},
        0,
        "the site is test, 11 of at most 10 pending",
    ),
    ({}, {"ready": 9, "site": "brokeroff"}, 9, "9 ready, 0 pending"),
]


@pytest.mark.parametrize(("settings", "seen", "n_out", "reason"), ACTIVATED)
def test_activated_applies_its_bounds_in_order(
    settings: dict[str, Any], seen: dict[str, Any], n_out: int, reason: str
) -> None:
    answer = plugin(Activated, **settings).step(-3, full(**seen))
    assert (answer.n, answer.reason) == (n_out, reason)


def test_activated_needs_no_site_status_from_htcondor() -> None:
    for name in ("Condor", "CondorLocal", None):
        step = plugin(Activated, wmsstatusplugin=name)
        assert step.needs == {Info.WMS, Info.BATCH}
        assert step.step(0, view(WmsStatus(ready=9), BatchStatus())).n == 9
        assert step.step(0, full(ready=9, site="offline")).n == 0
    assert Info.SITE in plugin(Activated).needs


NEEDS: dict[type[SchedPlugin], set[Info]] = {
    Activated: {Info.WMS, Info.BATCH, Info.SITE},
    Fixed: set(),
    KeepNRunning: {Info.BATCH},
    MaxPending: {Info.BATCH},
    MaxPerCycle: set(),
    MaxPerFactory: {Info.FACTORY_TOTAL},
    MaxToRun: {Info.BATCH},
    MinPending: {Info.BATCH},
    MinPerCycle: set(),
    Null: set(),
    Ready: {Info.WMS, Info.BATCH},
    Scale: set(),
    StatusOffline: {Info.WMS, Info.BATCH, Info.SITE},
    StatusTest: {Info.WMS, Info.BATCH, Info.SITE},
    Throttle: set(),
}


@pytest.mark.parametrize(("kind", "needs"), NEEDS.items())
def test_plugin_declares_its_needs(kind: type[SchedPlugin], needs: set[Info]) -> None:
    assert plugin(kind).needs == needs
