"""Any chain with any numbers keeps the laws of its plugins."""

import pickle
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from factory.decide.chain import run_chain
from factory.model.ask import Ask
from factory.model.status import BatchStatus, SiteStatus, Unknown, WmsStatus
from factory.model.vm import VM, JobId, VMState
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
from plugins.sched.retireidle import RetireIdle
from plugins.sched.scale import Scale
from plugins.sched.statusoffline import StatusOffline
from plugins.sched.statustest import StatusTest
from plugins.sched.throttle import Throttle
from tests.rig.chains import plugin, view

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
ANY_BATCH = st.builds(BatchStatus, pending=COUNTS, running=COUNTS, retiring=COUNTS, held=COUNTS) | st.lists(
    ANY_VM, max_size=10
).map(BatchStatus.of_vms)


@st.composite
def any_view(draw: st.DrawFn, known: bool | None = None) -> View:
    """Draw a view; ``known``: nothing in it is unknown but the history."""

    def part(strategy: st.SearchStrategy[Any]) -> Any:
        return draw(strategy if known else st.none() | strategy)

    return view(part(st.builds(WmsStatus, ready=COUNTS)), part(ANY_BATCH), part(SITES), part(COUNTS))


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
