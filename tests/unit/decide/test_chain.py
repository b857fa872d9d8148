"""Published chains and their steps, unknown data, reasons and names."""

from pathlib import Path

import pytest

from factory.config import load
from factory.decide.chain import run_chain
from factory.model.ask import Ask
from factory.model.status import BatchStatus, WmsStatus
from factory.plugin.base import Plugin
from factory.plugin.sched import SchedPlugin, View
from plugins.batchstatus import condorec2 as batchstatus
from plugins.batchsubmit import condorec2 as batchsubmit
from plugins.sched.fixed import Fixed
from plugins.sched.keepnrunning import KeepNRunning
from plugins.sched.maxpending import MaxPending
from plugins.sched.maxpercycle import MaxPerCycle
from plugins.sched.maxperfactory import MaxPerFactory
from plugins.sched.maxtorun import MaxToRun
from plugins.sched.minpercycle import MinPerCycle
from plugins.sched.null import Null
from plugins.sched.ready import Ready
from plugins.sched.scale import Scale
from plugins.sched.statusoffline import StatusOffline
from plugins.sched.statustest import StatusTest
from plugins.wmsstatus.condorlocal import CondorLocal
from tests.rig.chains import conf, plugin, view

SIMULATOR = (
    plugin(Ready, offset=4),
    plugin(Scale, factor=0.5),
    plugin(StatusTest, pilots=3),
    plugin(MaxPerCycle, maximum=100),
    plugin(MinPerCycle, minimum=0),
    plugin(MaxPending, maximum=25),
    plugin(StatusOffline, pilots=1),
)
PRODUCTION = (
    plugin(Ready),
    plugin(Scale, factor=0.25),
    plugin(MaxPerCycle),
    plugin(MinPerCycle),
    plugin(StatusTest),
    plugin(StatusOffline),
    plugin(MaxPending, maximum=10),
)
SAMPLE = (
    plugin(Ready),
    plugin(MinPerCycle, minimum=10),
    plugin(MaxPerCycle, maximum=20),
    plugin(MaxPending, maximum=50),
)
DEVELOPMENT = (
    plugin(KeepNRunning, keep_running=5),
    plugin(MinPerCycle, minimum=-2),
    plugin(MaxPerCycle, maximum=2),
    plugin(MaxPending, maximum=3),
)
CLOUD = (plugin(Ready), plugin(KeepNRunning))
AGIS = (
    plugin(Ready),
    plugin(Scale, factor=1 / 4 / 2 / 1.5),
    plugin(MaxPerCycle, maximum=50),
    plugin(MinPerCycle, minimum=0),
    plugin(StatusTest, pilots=1),
    plugin(StatusOffline, pilots=0),
    plugin(MaxPending, maximum=100),
)
WORK, HAS = WmsStatus, BatchStatus
PUBLISHED: list[tuple[tuple[SchedPlugin, ...], View, list[int]]] = [
    (SIMULATOR, view(WORK(ready=100), HAS(pending=10, running=8), "online"), [86, 43, 43, 43, 43, 15, 15]),
    (PRODUCTION, view(WORK(ready=83), HAS(pending=10, running=17), "online"), [73, 19, 19, 19, 19, 19, 0]),
    (SAMPLE, view(WORK(ready=100), HAS(pending=45, running=8)), [55, 55, 20, 5]),
    (SAMPLE, view(WORK(ready=0), HAS(pending=45, running=8)), [0, 10, 10, 5]),
    (SAMPLE, view(WORK(ready=100), HAS(pending=60, running=8)), [40, 40, 20, -10]),
    (DEVELOPMENT, view(batch=HAS()), [5, 5, 2, 2]),
    (DEVELOPMENT, view(batch=HAS(pending=2)), [3, 3, 2, 1]),
    (DEVELOPMENT, view(batch=HAS(running=5)), [0, 0, 0, 0]),
    (DEVELOPMENT, view(batch=HAS(running=9)), [-4, -2, -2, -2]),
    (DEVELOPMENT, view(batch=HAS(pending=4, running=9)), [-8, -2, -2, -2]),
    (CLOUD, view(WORK(ready=40), HAS(pending=2, running=30, retiring=3)), [38, 6]),
    (AGIS, view(WORK(ready=1000), HAS(pending=10, running=300), "online"), [990, 83, 50, 50, 50, 50, 50]),
    (AGIS, view(WORK(ready=1000), HAS(pending=10, running=300), "test"), [990, 83, 50, 50, 1, 1, 1]),
    (AGIS, view(WORK(ready=1000), HAS(pending=10, running=300), "offline"), [990, 83, 50, 50, 50, 0, 0]),
]


@pytest.mark.parametrize(("plugins", "seen", "steps"), PUBLISHED)
def test_published_chains_give_the_published_steps(
    plugins: tuple[SchedPlugin, ...], seen: View, steps: list[int]
) -> None:
    result = run_chain(plugins, seen)
    assert [step.n_out for step in result.steps] == steps
    assert [step.n_in for step in result.steps] == [0, *steps[:-1]]
    assert result.ask.n == steps[-1]
    assert result.blocked_text is None


@pytest.mark.parametrize(
    ("plugins", "seen", "blocked"),
    [
        (SAMPLE, view(batch=HAS(pending=3, running=8)), "Ready: WMS status unknown: not given"),
        (SAMPLE, view(WORK(ready=100)), "Ready: batch status unknown: not given"),
        (CLOUD, view(batch=HAS(pending=2, running=30)), "Ready: WMS status unknown: not given"),
        (CLOUD, view(WORK(ready=40)), "Ready: batch status unknown: not given"),
        (DEVELOPMENT, view(WORK(ready=40)), "KeepNRunning: batch status unknown: not given"),
        (SIMULATOR, view(WORK(ready=100), HAS(pending=10)), "StatusTest: site status unknown: not given"),
        ((plugin(MaxPerFactory),), view(WORK(), HAS(), "online"), "MaxPerFactory: factory total unknown: not given"),
    ],
)  # fmt: skip
def test_unknown_data_block_the_chain_of_each_published_example(
    plugins: tuple[SchedPlugin, ...], seen: View, blocked: str
) -> None:
    result = run_chain(plugins, seen)
    assert result.blocked_text == blocked
    assert result.ask == Ask()
    assert result.reason == blocked


def test_chain_needs_only_data_that_its_plugins_need() -> None:
    assert run_chain((plugin(MaxPerCycle, maximum=5),), view(), 9).ask == Ask(5)
    assert run_chain((plugin(Fixed, pilotspercycle=3), plugin(Scale, factor=2)), view()).ask == Ask(6)


def test_blocked_chain_shows_the_steps_before() -> None:
    result = run_chain((plugin(MaxPerCycle, maximum=5), plugin(Ready)), view(), 9)
    assert [(step.plugin, step.n_in, step.n_out) for step in result.steps] == [("MaxPerCycle", 9, 5)]
    assert result.blocked_text is not None


def test_reason_is_that_of_the_last_step_that_changed_n() -> None:
    seen = view(WORK(ready=100), HAS(pending=10, running=8))
    capped = run_chain((plugin(Ready), plugin(MaxPerCycle, maximum=80), plugin(MaxPending, maximum=100)), seen)
    assert capped.reason == "MaxPerCycle: at most 80 per cycle"
    assert run_chain((plugin(Null), plugin(MaxToRun, maximum=100)), seen).reason == "MaxToRun: room for 82 of 100"
    assert run_chain((), seen).reason == "no sched plugin"


def test_plugin_has_the_name_that_the_file_gives_it(tmp_path: Path) -> None:
    file = tmp_path / "queues.conf"
    file.write_text(conf("Nothing, Gap", {}))
    registry: dict[str, dict[str, type[Plugin]]] = {
        "wmsstatus": {"CondorLocal": CondorLocal},
        "batchstatus": {"CondorEC2": batchstatus.CondorEC2},
        "sched": {"Nothing": Null, "Gap": Ready},
        "batchsubmit": {"CondorEC2": batchsubmit.CondorEC2},
    }
    queue = load([file], registry).queue("Q")
    assert queue is not None
    result = run_chain(queue.sched, view())
    assert [step.plugin for step in result.steps] == ["Nothing"]
    assert result.blocked_text == "Gap: WMS status unknown: not given"
