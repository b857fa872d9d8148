"""Chains of sched plugins: published examples, unknown data, invalid plugins, any numbers."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.config import load
from factory.decide.chain import run_chain
from factory.decide.plugin_answers import LIMIT
from factory.model.ask import Ask
from factory.model.shape import Shape
from factory.model.source import Reading, Readings
from factory.model.status import BatchStatus, SiteStatus, Unknown, WmsStatus
from factory.model.vm import VM, JobId, VMState
from factory.plugin import Source
from factory.plugin.base import Plugin
from factory.plugin.sched import AskPlugin, AskStep, Info, SchedPlugin, Step, View
from plugins.batchstatus import condorec2 as batchstatus
from plugins.batchsubmit import condorec2 as batchsubmit
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
from plugins.sched.retireidle import RetireIdle
from plugins.sched.scale import Scale
from plugins.sched.statusoffline import StatusOffline
from plugins.sched.statustest import StatusTest
from plugins.sched.throttle import Throttle
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


class Odd(SchedPlugin):
    """A plugin with an answer given by the test."""

    answer: Callable[[], Any]

    def step(self, n: int, view: View) -> Step:
        return self.answer()  # type: ignore[no-any-return]


class OddAsk(AskPlugin):
    """A plugin with an answer of a whole ask, given by the test."""

    answer: Callable[[], Any]

    def step_ask(self, ask: Ask, view: View) -> AskStep:
        return self.answer()  # type: ignore[no-any-return]


def odd(answer: Callable[[], Any], kind: type[Odd] | type[OddAsk] = Odd) -> SchedPlugin:
    step = plugin(kind)
    step.answer = answer  # type: ignore[attr-defined]
    return step


def fail() -> Step:
    raise ZeroDivisionError("division by zero")


SHAPE = Shape("ami", "m5.large")


INVALID: list[tuple[Callable[[], Any], str]] = [
    (fail, "failed: ZeroDivisionError: division by zero"),
    (lambda: None, "answered None, which is not a Step"),
    (lambda: (3, "three"), "answered (3, 'three'), which is not a Step"),
    (
        lambda: "long" * 100,
        "answered 'longlonglonglonglonglonglonglonglonglonglonglonglonglong..., which is not a Step",
    ),
    (
        lambda: AskStep(Ask(1), ""),
        "answered AskStep(ask=Ask(n=1, shapes=(), victims=()), reason=''), which is not a Step",
    ),
    (lambda: Step(2.0, ""), "answered n = 2.0, which is not a whole number"),  # type: ignore[arg-type]
    (lambda: Step(float("nan"), ""), "answered n = nan, which is not a whole number"),  # type: ignore[arg-type]
    (lambda: Step(True, ""), "answered n = True, which is not a whole number"),
    (lambda: Step("5", ""), "answered n = '5', which is not a whole number"),  # type: ignore[arg-type]
    (lambda: Step(LIMIT + 1, ""), "answered n = 1.000e+09, more than any pool has"),
    (lambda: Step(-LIMIT - 1, ""), "answered n = -1.000e+09, more than any pool has"),
    (lambda: Step(1, None), "answered reason None, which is not a text"),  # type: ignore[arg-type]
]
INVALID_ASKS: list[tuple[Callable[[], Any], str]] = [
    (fail, "failed: ZeroDivisionError: division by zero"),
    (lambda: Step(1, ""), "answered Step(n=1, reason=''), which is not an AskStep"),
    (lambda: AskStep(3, ""), "answered AskStep(ask=3, reason=''), which is not an AskStep"),  # type: ignore[arg-type]
    (lambda: AskStep(Ask(True), ""), "answered n = True, which is not a whole number"),
    (lambda: AskStep(Ask(-1, (SHAPE,)), ""), "answered more shapes or victims than n = -1 allows"),
    (lambda: AskStep(Ask(0, (SHAPE,), ("a",)), ""), "answered more shapes or victims than n = 0 allows"),
    (lambda: AskStep(Ask(-1, (), ("a", "b")), ""), "answered more shapes or victims than n = -1 allows"),
]


@pytest.mark.parametrize(
    ("step", "blocked"),
    [
        *((odd(answer), f"sched plugin Odd {blocked}") for answer, blocked in INVALID),
        *((odd(answer, OddAsk), f"sched plugin OddAsk {blocked}") for answer, blocked in INVALID_ASKS),
    ],
)
def test_failing_or_invalid_plugin_blocks_its_chain_by_name(step: SchedPlugin, blocked: str) -> None:
    result = run_chain((plugin(Fixed, pilotspercycle=3), step, plugin(Null)), view())
    assert result.blocked_text == blocked
    assert result.ask == Ask()
    assert [record.plugin for record in result.steps] == ["Fixed"]


def test_plugin_that_reads_undeclared_data_blocks_its_chain() -> None:
    class Sneaky(SchedPlugin):
        def step(self, n: int, view: View) -> Step:
            return Step(view.wms.ready, "")

    blocked = run_chain((plugin(Sneaky),), view()).blocked_text
    assert blocked is not None
    assert "Sneaky" in blocked
    assert "did not declare" in blocked


class Prices(Source):
    """A plugin's own source."""

    @property
    def key(self) -> str:
        return "prices"

    @property
    def address(self) -> str:
        return "cloud"

    def fetch(self) -> Any:
        raise AssertionError("decide fetched data")


class Priced(SchedPlugin):
    """A plugin that reads its own source."""

    def sources(self) -> tuple[Source, ...]:
        return (Prices(),)

    def step(self, n: int, view: View) -> Step:
        return Step(view.rows(Prices()), "by price")


def test_chain_is_blocked_until_a_plugins_own_source_is_read() -> None:
    def seen(**reading: Any) -> View:
        return view(now=100, readings=Readings(100, {"prices": Reading("prices", 90, 91, **reading)}, after=50))

    assert run_chain((plugin(Priced),), seen(rows=4)).ask == Ask(4)
    assert run_chain((plugin(Priced),), view()).blocked_text == "Priced: prices: not read"
    assert run_chain((plugin(Priced),), seen(error="no route")).blocked_text == "Priced: prices: no route"
    old = view(now=1000, readings=Readings(1000, {"prices": Reading("prices", 90, 91, rows=4)}))
    assert run_chain((plugin(Priced),), old).blocked_text == "Priced: prices: 910 s old, older than 360 s"


def test_number_plugins_keep_shapes_and_victims_by_the_law_of_asks() -> None:
    shapes = (SHAPE, Shape("ami", "m5.xlarge"), SHAPE)
    named = odd(lambda: AskStep(Ask(3, shapes), ""), OddAsk)
    assert run_chain((named, plugin(MaxPerCycle, maximum=2)), view()).ask == Ask(2, shapes[:2])
    assert run_chain((named, plugin(MinPerCycle, minimum=5)), view()).ask == Ask(5, (*shapes, SHAPE, SHAPE))
    assert run_chain((named, plugin(MaxPerCycle, maximum=-2)), view()).ask == Ask(-2)


def test_victims_beside_additions_survive_caps() -> None:
    shapes = (SHAPE, SHAPE)
    named = odd(lambda: AskStep(Ask(2, shapes, ("a", "b")), ""), OddAsk)
    assert run_chain((named,), view()).ask == Ask(2, shapes, ("a", "b"))
    assert run_chain((named, plugin(MaxPerCycle, maximum=0)), view()).ask == Ask(0, (), ("a", "b"))
    assert run_chain((named, plugin(MaxPerCycle, maximum=-1)), view()).ask == Ask(-1, (), ("a",))
    partial = run_chain((named,), view(wms=WmsStatus(partial="schedd B is silent")))
    assert partial.ask == Ask(2, shapes)
    assert "no VM retires while some work may be unseen" in partial.steps[-1].reason


# Any chain, any numbers

NUMBERS = st.integers(-1000, 1000) | st.integers(-(10**8), 10**8)
MAYBE = st.none() | NUMBERS
COUNTS = st.integers(0, 1000) | st.integers(0, 10**8)
SITES = st.sampled_from(["online", "test", "offline", "brokeroff", ""])


def with_settings(kind: type[SchedPlugin], **of: st.SearchStrategy[Any]) -> st.SearchStrategy[SchedPlugin]:
    return st.builds(lambda given: plugin(kind, **given), st.fixed_dictionaries(of))


ANY_PLUGIN = st.one_of(
    with_settings(
        Activated,
        wmsstatusplugin=st.sampled_from(["Panda", "CondorLocal"]),
        max_jobs_torun=MAYBE,
        min_pilots_pending=MAYBE,
        max_pilots_per_cycle=MAYBE,
        min_pilots_per_cycle=MAYBE,
        max_pilots_pending=MAYBE,
        testmode_allowed=st.booleans(),
        testmode_pilots=NUMBERS,
    ),
    with_settings(Fixed, pilotspercycle=MAYBE),
    with_settings(KeepNRunning, keep_running=MAYBE),
    with_settings(MaxPending, maximum=MAYBE, allow_negative=st.booleans()),
    with_settings(MaxPerCycle, maximum=MAYBE),
    with_settings(MaxPerFactory, factory_maximum=MAYBE),
    with_settings(MaxToRun, maximum=MAYBE),
    with_settings(MinPending, minimum=MAYBE),
    with_settings(MinPerCycle, minimum=MAYBE),
    with_settings(Null),
    with_settings(Ready, offset=NUMBERS),
    with_settings(RetireIdle, after=st.integers(0, 10**4), keep=st.integers(0, 5)),
    with_settings(Scale, factor=st.floats(allow_nan=False, allow_infinity=False)),
    with_settings(StatusOffline, pilots=NUMBERS),
    with_settings(StatusTest, pilots=NUMBERS),
    with_settings(Throttle),
)
ANY_VM = st.builds(
    VM,
    uuid=st.uuids().map(str),
    queue=st.just("Q"),
    job=st.just(JobId(1, 0)),
    state=st.sampled_from(VMState),
    why=st.just(""),
    idle_since=st.none() | st.floats(0, 10**6),
    retire_time=st.none() | st.floats(0, 10**6),
)
ANY_BATCH = st.builds(HAS, pending=COUNTS, running=COUNTS, retiring=COUNTS, held=COUNTS) | st.lists(
    ANY_VM, max_size=10
).map(HAS.of_vms)


@st.composite
def any_view(draw: st.DrawFn, known: bool | None = None) -> View:
    """Draw a view; ``known``: nothing in it is unknown but the history."""

    def part(strategy: st.SearchStrategy[Any]) -> Any:
        return draw(strategy if known else st.none() | strategy)

    return view(part(st.builds(WORK, ready=COUNTS)), part(ANY_BATCH), part(SITES), part(COUNTS))


def online(step: SchedPlugin, seen: View) -> int:
    """Return the answer of a plugin while the site is online."""
    return step.step(0, replace(seen, site_or_unknown=SiteStatus("online"))).n


def promised(step: SchedPlugin, n_in: int, n_out: int, seen: View) -> bool:
    """True if an answer keeps the law of the plugin's docstring, checked by inequalities."""
    of: Any = step.settings
    match step:
        case Ready():
            return n_out >= 0
        case Activated():
            if not (isinstance(seen.site_or_unknown, SiteStatus) and seen.site.status in ("test", "offline")):
                return not of.max_pilots_pending or seen.batch.pending + n_out <= of.max_pilots_pending
            return n_out == 0 or (seen.site.status == "test" and n_out in (of.testmode_pilots, online(step, seen)))
        case Null():
            return n_out == 0
        case Fixed():
            return n_out == (of.pilotspercycle or 0)
        case KeepNRunning():
            target = n_in if of.keep_running is None else of.keep_running
            return seen.batch.pending + seen.batch.running + n_out == target
        case MaxPending():
            if of.maximum is None or seen.batch.pending == 0:
                return n_out == n_in
            within: bool = seen.batch.pending + n_out <= of.maximum
            return n_out <= n_in and (within or (not of.allow_negative and n_out <= 0))
        case MinPending():
            return n_out >= n_in and (of.minimum is None or seen.batch.pending + n_out >= of.minimum)
        case MaxPerCycle():
            return n_out <= n_in and (of.maximum is None or n_out <= of.maximum)
        case MinPerCycle():
            return n_out >= n_in and (of.minimum is None or n_out >= of.minimum)
        case MaxToRun():
            here = seen.batch.pending + seen.batch.running
            return n_out <= n_in and (of.maximum is None or here + n_out <= of.maximum)
        case MaxPerFactory():
            cap = step.factory.max_per_factory
            if cap is None:
                return n_out == n_in
            return n_out == 0 if seen.factory_total > cap else seen.factory_total + n_out <= cap
        case Scale():
            scaled: float = n_in * of.factor
            return scaled <= n_out <= scaled + 1
        case StatusOffline() | StatusTest():
            return n_out in (n_in, of.pilots)
        case RetireIdle():
            return n_out == n_in if n_in > 0 else n_out <= n_in
        case _:
            return True


@settings(max_examples=200)
@given(st.lists(ANY_PLUGIN, max_size=8), any_view(), NUMBERS)
def test_any_chain_keeps_the_promises_of_its_plugins(plugins: list[SchedPlugin], seen: View, n: int) -> None:
    result = run_chain(plugins, seen, n)
    assert result == run_chain(plugins, seen, n)
    assert pickle.loads(pickle.dumps(result)) == result  # noqa: S301
    ns = [n, *(step.n_out for step in result.steps)]
    assert [step.n_in for step in result.steps] == ns[:-1] or result.steps == ()
    for step, record in zip(plugins, result.steps, strict=False):
        assert promised(step, record.n_in, record.n_out, seen), record
        assert seen.unknown(step.needs) is None
    if result.blocked_text is None:
        assert result.ask.n == ns[-1]
        assert len(result.steps) == len(plugins)
        assert len(result.ask.victims) <= max(0, -result.ask.n)
    else:
        assert result.ask == Ask()
        assert type(plugins[len(result.steps)]).__name__ in result.blocked_text


@given(st.lists(ANY_PLUGIN, min_size=1, max_size=8), any_view(known=True), NUMBERS)
def test_with_known_data_only_huge_numbers_and_the_history_block(
    plugins: list[SchedPlugin], seen: View, n: int
) -> None:
    result = run_chain(plugins, seen, n)
    if result.blocked_text is not None:
        stopped = plugins[len(result.steps)]
        assert (
            isinstance(stopped, Throttle)
            or "more than any pool has" in result.blocked_text
            or "Overflow" in result.blocked_text
        )


@given(st.lists(ANY_PLUGIN, min_size=1, max_size=8), any_view(known=True), NUMBERS, st.data())
def test_chain_is_blocked_exactly_if_needed_data_are_unknown(
    plugins: list[SchedPlugin], seen: View, n: int, data: st.DataObject
) -> None:
    if run_chain(plugins, seen, n).blocked_text is not None:
        return
    lost = data.draw(st.sampled_from(Info))
    field = {
        Info.WMS: "wms_or_unknown",
        Info.BATCH: "batch_or_unknown",
        Info.SITE: "site_or_unknown",
        Info.FACTORY_TOTAL: "total_or_unknown",
        Info.DEMAND: "share_or_unknown",
    }[lost]
    blind: dict[str, Any] = {field: Unknown("lost")}
    result = run_chain(plugins, replace(seen, **blind), n)
    assert (result.blocked_text is not None) == any(lost in step.needs for step in plugins)
