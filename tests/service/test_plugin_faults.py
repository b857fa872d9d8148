"""A plugin that raises, hangs or gives an invalid answer blocks only its own queue, and the reason names it."""

import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from factory.act.actor import Actor
from factory.config.queues import Config
from factory.decide.decide import decide
from factory.decide.decision import Decision
from factory.model.actions import Plan, Submit
from factory.model.memory import Memory
from factory.model.status import BatchStatus, SiteStatus, Unknown, WmsStatus
from factory.observe.observer import Observer
from factory.observe.sources import plan_sources
from factory.process.workers import Workers
from factory.service.watchdog import Watchdog
from factory.state.directory import StateDir
from factory.world.build import WorldInputs, make_world
from factory.world.world import World
from tests.rig import faulty
from tests.rig.faulty import Numbers, boom, config, leave, queue


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    running = Workers()
    yield running
    running.stop()


def observed(setup: Config, workers: Workers) -> World:
    observer = Observer(workers)
    observer.observe(setup.queues, setup.queues, {})
    return make_world(time.time(), WorldInputs(observer.readings, Memory(), {}, "1 h 1", 0, faults=observer.faults))


def decided(setup: Config, world: World) -> dict[str, Decision]:
    return {decision.queue: decision for decision in decide(setup, world, {q.name for q in setup.queues}).decisions}


def reason(decision: Decision) -> str:
    assert decision.chain.blocked_text is not None, decision
    assert "\n" not in decision.chain.blocked_text
    return decision.chain.blocked_text


class unchecked:  # noqa: N801  it stands for a module
    """The classes of answers without their types, to build invalid ones."""

    wms: Any = WmsStatus
    batch: Any = BatchStatus
    plan: Any = Plan
    site: Any = SiteStatus


def slowly() -> WmsStatus:
    time.sleep(0.15)
    return WmsStatus()


@pytest.mark.parametrize(
    ("parts", "name", "words"),
    [
        ({"wms": {"sources": boom}}, "Wms", "boom"),
        ({"wms": {"sources": leave}}, "Wms", "SystemExit: leave"),
        ({"wms": {"sources": faulty.raise_unshowable}}, "Wms", "Unshowable"),
        ({"wms": {"sources": lambda _: 7}}, "Wms", "not iterable"),
        ({"wms": {"sources": (7,)}}, "Wms", "int is not a Source"),
        ({"wms": {"sources": (faulty.BadKey(),)}}, "Wms", "boom"),
        ({"wms": {"sources": (faulty.NumberKey(),)}}, "Wms", "must be strings"),
        ({"wms": {"sources": (faulty.BadAddress(name="a"),)}}, "Wms", "boom"),
        ({"wms": {"sources": (faulty.BadMerge(name="m"), faulty.BadMerge(name="m", how="dies"))}}, "Wms", "boom"),
        ({"wms": {"sources": (faulty.OtherMerge(name="m"), faulty.BadMerge(name="m"))}}, "Wms", "something else"),
        ({"batch": {"sources": boom}}, "Batch", "boom"),
        ({"sched": {"sources": boom}}, "Sched", "boom"),
        ({"wms": {"sources": (Numbers(name="r", how="raises"),)}}, "r:", "RuntimeError: boom"),
        ({"wms": {"sources": (Numbers(name="d", how="dies"),)}}, "d:", "the worker process died"),
        ({"wms": {"sources": (Numbers(name="e", how="exits"),)}}, "e:", "leave"),
        ({"wms": {"sources": (Numbers(name="h", how="hangs", deadline_s=0.5),)}}, "h:", "no answer within"),
        ({"wms": {"sources": (Numbers(name="u", how="unpicklable"),)}}, "u:", "pickle"),
        ({"wms": {"sources": (Numbers(name="n", how="not back"),)}}, "n:", "can't be read: RuntimeError: boom"),
        ({"wms": {"sources": (Numbers(name="s", extra=lambda: 7),)}}, "s:", "can't be sent to a worker"),
        ({"wms": {"read": boom}}, "Wms", "boom"),
        ({"wms": {"read": leave}}, "Wms", "leave"),
        ({"wms": {"read": lambda _: 7}}, "Wms", "answered int, not WmsStatus"),
        ({"wms": {"read": lambda _: unchecked.wms(ready=None)}}, "Wms", "ready = None"),
        ({"wms": {"read": lambda _: unchecked.wms(ready=-1)}}, "Wms", "ready = -1"),
        ({"wms": {"read": lambda _: unchecked.wms(ready=True)}}, "Wms", "ready = True"),
        ({"wms": {"read": lambda _: unchecked.wms(ready=1.5)}}, "Wms", "ready = 1.5"),
        ({"batch": {"read": boom}}, "Batch", "boom"),
        ({"batch": {"read": lambda _: unchecked.batch(pending="3")}}, "Batch", "pending = '3'"),
        ({"batch": {"read": lambda _: unchecked.batch(vms=[])}}, "Batch", "not a tuple"),
        ({"batch": {"read": lambda _: None}}, "Batch", "answered NoneType"),
        ({"sched": {"step": boom}}, "Sched", "boom"),
        ({"sched": {"step": leave}}, "Sched", "leave"),
        ({"sched": {"step": faulty.cancel}}, "Sched", "CancelledError"),
        ({"sched": {"step": faulty.interrupt}}, "Sched", "KeyboardInterrupt"),
        ({"submit": {"plan": faulty.cancel}}, "BatchSubmit", "CancelledError"),
        ({"wms": {"read": faulty.interrupt}}, "Wms", "KeyboardInterrupt"),
        ({"sched": {"step": lambda _: 7}}, "Sched", "not a Step"),
        ({"submit": {"plan": boom}}, "BatchSubmit", "boom"),
        ({"submit": {"plan": lambda _: None}}, "BatchSubmit", "answered NoneType, not Plan"),
        ({"submit": {"plan": lambda _: unchecked.plan((7,))}}, "BatchSubmit", "not an action"),
        (
            {"submit": {"plan": lambda _: unchecked.plan((Submit(queue="good", n=1, reason=""),))}},
            "BatchSubmit",
            "not its own",
        ),
        (
            {"submit": {"plan": lambda _: unchecked.plan((Submit(queue="bad", n=0, reason=""),))}},
            "BatchSubmit",
            "submit 0",
        ),
        ({"submit": {"plan": lambda _: unchecked.plan((), (7,))}}, "BatchSubmit", "notes"),
    ],
)
def test_fault_blocks_only_its_own_queue_and_names_the_plugin(
    parts: dict[str, Any], name: str, words: str, workers: Workers
) -> None:
    setup = config(queue("good"), queue("bad", parts=parts), queue("too"))
    decisions = decided(setup, observed(setup, workers))
    assert name in reason(decisions["bad"])
    assert words in reason(decisions["bad"])
    assert not decisions["bad"].actions
    for other in ("good", "too"):
        assert [action.n for action in decisions[other].actions if isinstance(action, Submit)] == [7]


def test_invalid_site_status_blocks_only_chains_that_need_it() -> None:
    setup = config(
        queue("q", parts={"wms": {"read": lambda _: WmsStatus(ready=7), "read_site": lambda _: unchecked.site(None)}})
    )
    decision = decided(setup, World(0, {}))["q"]
    assert decision.chain.blocked_text is None
    assert isinstance(decision.site, Unknown)
    assert "Wms" in decision.site.reason


def test_worker_serves_the_next_poll_after_an_invalid_result(workers: Workers) -> None:
    for how in ("not back", "unpicklable", "dies", "hangs"):
        bad = config(queue("q", parts={"wms": {"sources": (Numbers(name="same", how=how, deadline_s=0.5),)}}))
        assert observed(bad, workers).readings["same"].error
        good = config(queue("q", parts={"wms": {"sources": (Numbers(name="same"),)}}))
        assert observed(good, workers).readings["same"].rows == 7


def test_shared_source_survives_the_fault_of_one_queue() -> None:
    shared = Numbers(name="shared")
    other = faulty.BadAddress(name="shared", interval_s=9)
    plan = plan_sources(
        [queue("a", parts={"wms": {"sources": (shared,)}}), queue("b", parts={"wms": {"sources": (other,)}})]
    )
    assert plan.sources == {"shared": shared}
    assert list(plan.faults) == ["b"]
    assert pickle.loads(pickle.dumps(plan.sources["shared"])) == shared  # noqa: S301  our own


class TestHangingPlugin:
    @pytest.mark.parametrize("hang", [faulty.loop_for_ever, faulty.sleep_for_ever, faulty.swallow_for_ever])
    @pytest.mark.parametrize(
        ("part", "method"), [("wms", "read"), ("sched", "step"), ("submit", "plan"), ("wms", "sources")]
    )
    def test_is_interrupted_and_named_and_other_queues_continue(
        self, part: str, method: str, hang: Any, workers: Workers, caplog: pytest.LogCaptureFixture
    ) -> None:
        setup = config(queue("good"), queue("bad", parts={part: {method: hang}}), queue("too"))
        with Watchdog(limit_s=0.5, look_s=0.05):
            decisions = decided(setup, observed(setup, workers))
        name = setup.queues[1]
        plugin = {"wms": name.wmsstatus, "sched": name.sched[0], "submit": name.batchsubmit}[part]
        assert plugin is not None
        assert plugin.name in reason(decisions["bad"])
        assert "did not return within" in reason(decisions["bad"])
        assert f"plugin {plugin.name} of queue bad ({method})" in caplog.text
        assert all(decisions[other].actions for other in ("good", "too"))

    def test_is_not_interrupted_while_it_is_only_slow(self) -> None:
        setup = config(*(queue(f"q{n}", parts={"wms": {"read": lambda _: slowly()}}) for n in range(12)))
        with Watchdog(limit_s=1.5, look_s=0.02):
            decisions = decided(setup, World(0, {}))
        assert [decision.chain.blocked_text for decision in decisions.values()] == [None] * 12

    def test_other_code_of_the_main_thread_is_never_interrupted(self) -> None:
        with Watchdog(limit_s=0.1, look_s=0.02):
            time.sleep(0.5)


@pytest.mark.parametrize(
    ("submission", "words"),
    [
        (boom, "plugin BatchSubmit failed: RuntimeError: boom"),
        (leave, "plugin BatchSubmit failed: SystemExit: leave"),
        (lambda *_: None, "plugin BatchSubmit answered NoneType, not Submission"),
        (faulty.sleep_for_ever, "plugin BatchSubmit failed: TookTooLong: did not return within"),
    ],
)
def test_failing_or_hanging_submission_is_one_failed_action(
    submission: Any, words: str, workers: Workers, tmp_path: Path
) -> None:
    setup = config(queue("q", parts={"submit": {"submission": submission}}), deadline=1, pool="localhost")
    actor = Actor(setup, workers, StateDir(tmp_path, "apf"), "1 h 1")
    (outcome,) = actor.act([Submit(queue="q", n=1, reason="asked")])
    assert words in str(outcome.error)
