"""Rounds that meet what nobody foresaw: they end, are shown, and leave nothing half done."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from factory.act.actor import Actor
from factory.audit.result import AuditReport
from factory.cli.statuspage import broken_text
from factory.condor.collector.machines import PoolSource
from factory.condor.schedd.vm_jobs import VMJobsSource
from factory.config.queues import Config
from factory.decide import chain, decide
from factory.model.actions import Action, Submit
from factory.model.memory import AuditResult
from factory.model.source import Source
from factory.model.status import Unknown, WmsStatus
from factory.observe.observer import Observer
from factory.process.clock import Clock, steady
from factory.process.workers import Workers
from factory.service import rounds as rounds_module
from factory.service.rounds import GIVE_UP, Rounds, RoundsBroken
from factory.state.directory import StateDir
from plugins.cloud.ec2instances import EC2Instances
from plugins.wmsstatus.pandaserver import PandaSource
from tests.rig.faulty import Numbers, boom, config, queue


class Host:
    """A host whose clock can be set."""

    set_by = 0.0

    def wall(self) -> float:
        return time.time() + self.set_by


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    running = Workers()
    yield running
    running.stop()


Make = Callable[..., Rounds]


@pytest.fixture
def statedir(tmp_path: Path) -> StateDir:
    made = StateDir(tmp_path, "apf")
    made.open()
    return made


@pytest.fixture
def make(statedir: StateDir, workers: Workers) -> Iterator[Make]:
    made: list[Rounds] = []

    def make_rounds(setup: Config, **more: Any) -> Rounds:
        made.append(Rounds(setup, workers, statedir, "1000.0 host 1", **more))
        return made[-1]

    yield make_rounds
    for each in made:
        each.stop()


def status(statedir: StateDir) -> dict[str, Any]:
    return dict(json.loads(statedir.status.read_text()))


def queues(statedir: StateDir) -> dict[str, Any]:
    return {each["queue"]: each for each in status(statedir)["queues"]}


def test_an_error_of_our_own_in_one_queue_s_part_stops_that_queue_and_is_logged_with_its_place(
    make: Make, statedir: StateDir, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = chain.run_chain

    def broken(plugins: Any, view: Any) -> Any:
        if view.queue == "bad":
            raise ZeroDivisionError("nobody foresaw this")
        return real(plugins, view)

    monkeypatch.setattr(decide, "run_chain", broken)
    rounds = make(config(queue("good"), queue("bad"), queue("too")))
    rounds.guarded({"good", "bad", "too"})
    assert "unexpected error" in queues(statedir)["bad"]["blocked"]["text"]
    assert "ZeroDivisionError: nobody foresaw this" in queues(statedir)["bad"]["blocked"]["text"]
    assert [queues(statedir)[name]["n"] for name in ("good", "too")] == [7, 7]
    assert "queue=bad unexpected error: Traceback" in caplog.text
    assert "in broken" in caplog.text
    assert status(statedir)["broken"] is None


def test_what_a_queue_needs_that_decides_because_a_later_one_is_due_is_polled_too(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    polled: list[set[str]] = []

    def observe(_self: Observer, queues: Any, *_rest: Any) -> None:
        polled.append({each.name for each in queues})

    monkeypatch.setattr(Observer, "observe", observe)
    monkeypatch.setattr(rounds_module, "also_decide", lambda _queues, due: {"before"} if "due" in due else set())
    make(config(queue("before"), queue("due"), queue("other"))).run({"due"})
    assert polled == [{"before", "due"}]


def test_a_round_that_breaks_ends_alone_and_the_status_says_so_until_one_is_whole_again(
    make: Make, statedir: StateDir, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rounds = make(config(queue("q")))
    with monkeypatch.context() as patched:
        patched.setattr(rounds_module, "decide", boom)
        rounds.guarded({"q"})
        rounds.guarded({"q"})
    assert "Traceback" in caplog.text
    assert "unexpected error in the round of q" in caplog.text
    broken = status(statedir)["broken"]
    assert (broken["times"], broken["error"]) == (2, "RuntimeError: boom")
    text = broken_text(status(statedir), broken["since"] + 300)
    assert (
        text == "unexpected error in the last 2 rounds, the first 5 min ago; see the factory's log: RuntimeError: boom"
    )
    rounds.guarded({"q"})
    assert status(statedir)["broken"] is None
    assert queues(statedir)["q"]["n"] == 7


def test_after_many_broken_rounds_in_a_row_a_new_process_shall_try(
    make: Make, monkeypatch: pytest.MonkeyPatch, statedir: StateDir
) -> None:
    rounds = make(config(queue("q")))
    with monkeypatch.context() as patched:
        patched.setattr(rounds_module, "make_world", boom)
        for _ in range(GIVE_UP - 1):
            rounds.guarded({"q"})
    rounds.guarded({"q"})  # a whole one: it counts from the beginning
    monkeypatch.setattr(rounds_module, "make_world", boom)
    for _ in range(GIVE_UP - 1):
        rounds.guarded({"q"})
    with pytest.raises(RoundsBroken, match=f"{GIVE_UP} rounds in a row"):
        rounds.guarded({"q"})
    assert status(statedir)["broken"]["times"] == GIVE_UP


class Seen:
    """An Actor that does nothing, and remembers what it was told."""

    acted: list[tuple[Action, ...]]

    def __init__(self, raises: bool = False) -> None:
        self.acted = []
        self.raises = raises

    def act(self, actions: Any) -> Any:
        self.acted.append(tuple(actions))
        if self.raises:
            raise MemoryError("in the middle of it")
        return ()

    @property
    def bought(self) -> list[int]:
        return [sum(a.n for a in actions if isinstance(a, Submit)) for actions in self.acted]


def reading(source: Source) -> Any:
    """Parts of a queue that asks for as many as its source says, and knows nothing if it may not believe it."""
    return {
        "wms": {"sources": (source,), "read": lambda readings: _ready(readings.rows(source))},
    }


def _ready(rows: Any) -> Any:
    return rows if isinstance(rows, Unknown) else WmsStatus(ready=rows)


def test_an_act_that_broke_in_the_middle_counts_as_one_so_that_nothing_is_bought_twice_on_the_same_poll(
    make: Make, statedir: StateDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 3: only a later poll shows what came of it."""
    seen = Seen(raises=True)
    monkeypatch.setattr(Actor, "act", seen.act)
    once = Numbers(name="once", interval_s=3600)  # a reading that serves again, unless the queue has acted since
    rounds = make(config(queue("q", parts=reading(once))))
    rounds.guarded({"q"})
    polled = status(statedir)["sources"]
    rounds.guarded({"q"})
    assert seen.bought == [7, 7]
    assert status(statedir)["sources"][0]["started"] > polled[0]["started"], "polled anew before anything else is done"


@pytest.mark.parametrize("by", [-86400.0, 86400.0])
def test_a_clock_that_is_set_stops_no_decision_and_makes_nothing_old(
    make: Make, statedir: StateDir, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, by: float
) -> None:
    seen = Seen()
    monkeypatch.setattr(Actor, "act", seen.act)
    host = Host()
    slow = Numbers(name="slow", interval_s=3600)
    still = Numbers(name="still", interval_s=3600)
    parts = reading(slow)
    idle = {"wms": {"sources": (still,), "read": lambda readings: _nothing(readings.rows(still))}}
    rounds = make(config(queue("q", parts=parts), queue("idle", parts=idle)), clock=Clock(host.wall))
    rounds.guarded({"q", "idle"})
    before = {each["source"]: each["started"] for each in status(statedir)["sources"]}
    host.set_by = by
    rounds.guarded({"q", "idle"})
    assert seen.bought == [7, 7], "it does not wait until the clock has caught up"
    assert queues(statedir)["idle"]["blocked"] is None, "what was read a moment ago is not a day old"
    after = {each["source"]: each["started"] for each in status(statedir)["sources"]}
    assert after["still"] == pytest.approx(before["still"] + by, abs=1), "the same reading"
    assert "the clock of this host was set by" in caplog.text


@pytest.mark.parametrize("by", [0.0, -3600.0, 3600.0])
def test_an_audit_is_as_old_as_it_is_whatever_becomes_of_the_clock(make: Make, statedir: StateDir, by: float) -> None:
    """Or after a step back it would come later than what was missed since, which then would count no more (rule 6)."""
    host, before = Host(), time.time()
    began, after = steady() - 10, time.time()
    rounds = make(config(queue("q")), clock=Clock(host.wall), audited=lambda: AuditReport(result=AuditResult(began)))
    host.set_by = by
    rounds.guarded({"q"})
    said, slack = status(statedir)["known"]["audit"]["began"] - (by - 10), 0.5  # two clocks are read one by one
    assert before - slack <= said <= after + slack


def _nothing(rows: Any) -> Any:
    return rows if isinstance(rows, Unknown) else WmsStatus()


def _started(rounds_status: dict[str, Any]) -> dict[str, float]:
    return {each["source"]: each["started"] for each in rounds_status["sources"]}


def test_what_a_queue_that_is_not_due_has_acted_on_is_read_anew_for_the_others(workers: Workers) -> None:
    """Rule 3, where two queues share a schedd."""
    shared = Numbers(name="shared", interval_s=3600)
    one, two = (queue(name, parts={"wms": {"sources": (shared,)}}) for name in ("one", "two"))
    observer = Observer(workers)
    observer.observe([one], [one, two], {})
    first = observer.readings["shared"].started
    observer.observe([one], [one, two], {})
    assert observer.readings["shared"].started == pytest.approx(first, abs=1e-6), "it is young"
    observer.observe([one], [one, two], {"two": steady()})
    assert observer.readings["shared"].started > first + 1e-5, "a further poll, however quick"


def test_a_source_that_nobody_wants_any_more_leaves_nothing_when_its_last_poll_fails(workers: Workers) -> None:
    """Or its daemon would count as silent until the end of the process, and no machine would be ended for its sake."""
    hung = Numbers(name="hung", how="hangs", deadline_s=1)
    gone, other = (
        queue(name, parts={"wms": {"sources": (source,)}}) for name, source in (("q", hung), ("r", Numbers()))
    )
    observer = Observer(workers)
    observer.observe([gone], [gone], {})
    assert observer.silent == {hung.address}
    observer.observe([gone], [gone], {})  # and it is polled again, in the background
    observer.forget([other])
    assert observer.silent == frozenset()
    time.sleep(2 * hung.deadline_s)
    observer.observe([other], [other], {})
    assert observer.silent == frozenset()
    assert "hung" not in observer.readings


@pytest.mark.parametrize(("ahead_s", "anew"), [(100.0, False), (179.0, False), (181.0, True), (400.0, True)])
def test_a_reading_is_never_too_old_when_it_is_needed_however_long_its_interval(
    workers: Workers, ahead_s: float, anew: bool
) -> None:
    """Old files say ``*.sleep = 600``, and 360 s is when a reading is unknown."""
    shared = Numbers(name="shared", interval_s=600, maxage_s=360)
    one = queue("one", parts={"wms": {"sources": (shared,)}})
    ahead = [0.0]
    observer = Observer(workers, Clock(steady=lambda: steady() + ahead[0]))
    observer.observe([one], [one], {})
    first = observer.readings["shared"].started
    ahead[0] = ahead_s
    observer.observe([one], [one], {})
    assert (observer.readings["shared"].started > first + 1e-6) is anew


class Collector(Numbers):
    """As early as the collector is read, and not as quick."""

    STAGE = PoolSource.STAGE

    def fetch(self) -> float:
        time.sleep(0.3)
        return super().fetch()  # type: ignore[no-any-return]


class Schedd(Numbers):
    STAGE = VMJobsSource.STAGE


class Panda(Numbers):
    STAGE = PandaSource.STAGE


class Cloud(Numbers):
    STAGE = EC2Instances.STAGE


def test_the_collector_is_read_before_the_schedds_and_the_clouds_last(workers: Workers) -> None:
    """Rule 3: so that skew buys too little rather than too much."""
    sources = Cloud(name="cloud"), Schedd(name="schedd"), Panda(name="panda"), Collector(name="collector")
    one = queue("one", parts={"wms": {"sources": sources[:2]}, "batch": {"sources": sources[2:]}})
    observer = Observer(workers)
    observer.observe([one], [one], {})
    read = observer.readings
    assert not any(reading.error for reading in read.values())
    assert read["collector"].ended <= min(read["schedd"].started, read["panda"].started)
    assert max(read["schedd"].ended, read["panda"].ended) <= read["cloud"].started


@pytest.mark.parametrize(("maximum", "polled"), [(None, {"a"}), (10, {"a", "b"})])
def test_the_sum_over_all_queues_needs_what_every_queue_reads(
    make: Make, statedir: StateDir, maximum: int | None, polled: set[str]
) -> None:
    """MaxPerFactory: also of queues that are not due."""
    a, b = (queue(name, parts={"batch": {"sources": (Numbers(name=name),)}}) for name in ("a", "b"))
    make(config(a, b, max_per_factory=maximum)).run({"a"})
    assert set(_started(status(statedir))) - {"numbers"} == polled
    assert set(queues(statedir)) == {"a"}


def test_a_reload_that_comes_while_the_factory_starts_does_not_end_it() -> None:
    code = """
import os, signal
from factory.service import daemon
from factory.cli import command as cli

class Daemon:
    def __init__(self, conf): os.kill(os.getpid(), signal.SIGHUP)
    def run(self, once): print("it starts")

daemon.Daemon = Daemon
cli.serve((), True)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "it starts\n"), done.stderr


def test_rounds_that_break_one_after_the_other_end_the_process_with_status_70() -> None:
    code = """
from factory.service import daemon
from factory.cli import command as cli
from factory.service.rounds import RoundsBroken

class Daemon:
    def __init__(self, conf): pass
    def run(self, once): raise RoundsBroken("20 rounds in a row")

daemon.Daemon = Daemon
cli.serve((), False)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (70, "apf: 20 rounds in a row\n")
