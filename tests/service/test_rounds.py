"""Rounds that meet unexpected errors and set clocks: status, log, and what the next round does."""

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


def test_own_error_in_one_queue_blocks_that_queue_and_is_logged(
    make: Make, statedir: StateDir, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = chain.run_chain

    def broken(plugins: Any, view: Any) -> Any:
        if view.queue == "bad":
            raise ZeroDivisionError("unforeseen")
        return real(plugins, view)

    monkeypatch.setattr(decide, "run_chain", broken)
    rounds = make(config(queue("good"), queue("bad"), queue("too")))
    rounds.guarded({"good", "bad", "too"})
    assert "unexpected error" in queues(statedir)["bad"]["blocked"]["text"]
    assert "ZeroDivisionError: unforeseen" in queues(statedir)["bad"]["blocked"]["text"]
    assert [queues(statedir)[name]["n"] for name in ("good", "too")] == [7, 7]
    assert "queue=bad unexpected error: Traceback" in caplog.text
    assert "in broken" in caplog.text
    assert status(statedir)["broken"] is None


def test_polls_sources_of_queues_that_decide_with_a_due_one(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    polled: list[set[str]] = []

    def observe(_self: Observer, queues: Any, *_rest: Any) -> None:
        polled.append({each.name for each in queues})

    monkeypatch.setattr(Observer, "observe", observe)
    monkeypatch.setattr(rounds_module, "also_decide", lambda _queues, due: {"before"} if "due" in due else set())
    make(config(queue("before"), queue("due"), queue("other"))).run({"due"})
    assert polled == [{"before", "due"}]


def test_status_shows_a_failed_round_until_one_succeeds(
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


def test_process_ends_after_many_failed_rounds_in_a_row(
    make: Make, monkeypatch: pytest.MonkeyPatch, statedir: StateDir
) -> None:
    rounds = make(config(queue("q")))
    with monkeypatch.context() as patched:
        patched.setattr(rounds_module, "make_world", boom)
        for _ in range(GIVE_UP - 1):
            rounds.guarded({"q"})
    rounds.guarded({"q"})  # a good round: the count starts anew
    monkeypatch.setattr(rounds_module, "make_world", boom)
    for _ in range(GIVE_UP - 1):
        rounds.guarded({"q"})
    with pytest.raises(RoundsBroken, match=f"{GIVE_UP} rounds in a row"):
        rounds.guarded({"q"})
    assert status(statedir)["broken"]["times"] == GIVE_UP


class Recording:
    """An Actor that does nothing and keeps the actions it was given."""

    acted: list[tuple[Action, ...]]

    def __init__(self, raises: bool = False) -> None:
        self.acted = []
        self.raises = raises

    def act(self, actions: Any) -> Any:
        self.acted.append(tuple(actions))
        if self.raises:
            raise MemoryError("during the act")
        return ()

    @property
    def bought(self) -> list[int]:
        return [sum(a.n for a in actions if isinstance(a, Submit)) for actions in self.acted]


def reading(source: Source) -> Any:
    """Return the parts of a queue that asks for the number of its source, and is blocked if the reading is unusable."""
    return {
        "wms": {"sources": (source,), "read": lambda readings: _ready(readings.rows(source))},
    }


def _ready(rows: Any) -> Any:
    return rows if isinstance(rows, Unknown) else WmsStatus(ready=rows)


def test_polls_again_after_an_act_that_failed(make: Make, statedir: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 3: only a later poll shows the outcome, so nothing is bought twice on one poll."""
    actor = Recording(raises=True)
    monkeypatch.setattr(Actor, "act", actor.act)
    once = Numbers(name="once", interval_s=3600)  # its reading is used again, unless the queue has acted since
    rounds = make(config(queue("q", parts=reading(once))))
    rounds.guarded({"q"})
    polled = status(statedir)["sources"]
    rounds.guarded({"q"})
    assert actor.bought == [7, 7]
    assert status(statedir)["sources"][0]["started"] > polled[0]["started"], "polled before the next decision"


@pytest.mark.parametrize("by", [-86400.0, 86400.0])
def test_set_clock_stops_no_decision_and_ages_no_reading(
    make: Make, statedir: StateDir, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, by: float
) -> None:
    actor = Recording()
    monkeypatch.setattr(Actor, "act", actor.act)
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
    assert actor.bought == [7, 7], "it does not wait for the clock"
    assert queues(statedir)["idle"]["blocked"] is None, "a fresh reading is not a day old"
    after = {each["source"]: each["started"] for each in status(statedir)["sources"]}
    assert after["still"] == pytest.approx(before["still"] + by, abs=1), "the same reading"
    assert "the clock of this host was set by" in caplog.text


@pytest.mark.parametrize("by", [0.0, -3600.0, 3600.0])
def test_age_of_an_audit_does_not_depend_on_the_clock(make: Make, statedir: StateDir, by: float) -> None:
    """After a step back an audit would seem newer than VM jobs that vanished since; those must count (rule 6)."""
    host, before = Host(), time.time()
    began, after = steady() - 10, time.time()
    audited = AuditReport(result=AuditResult({"q": began}))
    rounds = make(config(queue("q")), clock=Clock(host.wall), last_audit=lambda: audited)
    host.set_by = by
    rounds.guarded({"q"})
    began, slack = status(statedir)["known"]["audit"]["began"]["q"] - (by - 10), 0.5  # two clocks are read one by one
    assert before - slack <= began <= after + slack


def _nothing(rows: Any) -> Any:
    return rows if isinstance(rows, Unknown) else WmsStatus()


def _started(rounds_status: dict[str, Any]) -> dict[str, float]:
    return {each["source"]: each["started"] for each in rounds_status["sources"]}


def test_polls_again_if_another_queue_of_the_schedd_has_acted(workers: Workers) -> None:
    """Rule 3, where two queues share a schedd."""
    shared = Numbers(name="shared", interval_s=3600)
    one, two = (queue(name, parts={"wms": {"sources": (shared,)}}) for name in ("one", "two"))
    observer = Observer(workers)
    observer.observe([one], [one, two], {})
    first = observer.readings["shared"].started
    observer.observe([one], [one, two], {})
    assert observer.readings["shared"].started == pytest.approx(first, abs=1e-6), "the reading is fresh"
    observer.observe([one], [one, two], {"two": steady()})
    assert observer.readings["shared"].started > first + 1e-5, "a new poll"


def test_forgets_a_source_without_queues_even_if_its_poll_fails(workers: Workers) -> None:
    """Its daemon would count as silent until the process ends, and the factory would end no VM meanwhile."""
    hung = Numbers(name="hung", how="hangs", deadline_s=1)
    gone, other = (
        queue(name, parts={"wms": {"sources": (source,)}}) for name, source in (("q", hung), ("r", Numbers()))
    )
    observer = Observer(workers)
    observer.observe([gone], [gone], {})
    assert observer.silent == {hung.address}
    observer.observe([gone], [gone], {})  # polled again, in the background
    observer.forget([other])
    assert observer.silent == frozenset()
    time.sleep(2 * hung.deadline_s)
    observer.observe([other], [other], {})
    assert observer.silent == frozenset()
    assert "hung" not in observer.readings


@pytest.mark.parametrize(("ahead_s", "polled"), [(100.0, False), (179.0, False), (181.0, True), (400.0, True)])
def test_polls_before_a_reading_is_too_old_whatever_its_interval(
    workers: Workers, ahead_s: float, polled: bool
) -> None:
    """Old configurations have ``*.sleep = 600``, and a reading is unknown after 360 s."""
    shared = Numbers(name="shared", interval_s=600, maxage_s=360)
    one = queue("one", parts={"wms": {"sources": (shared,)}})
    ahead = [0.0]
    observer = Observer(workers, Clock(steady=lambda: steady() + ahead[0]))
    observer.observe([one], [one], {})
    first = observer.readings["shared"].started
    ahead[0] = ahead_s
    observer.observe([one], [one], {})
    assert (observer.readings["shared"].started > first + 1e-6) is polled


class Collector(Numbers):
    """A slow source of the collector's stage."""

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


def test_reads_collector_before_schedds_and_clouds_last(workers: Workers) -> None:
    """Rule 3: skew then buys too little rather than too much."""
    sources = Cloud(name="cloud"), Schedd(name="schedd"), Panda(name="panda"), Collector(name="collector")
    one = queue("one", parts={"wms": {"sources": sources[:2]}, "batch": {"sources": sources[2:]}})
    observer = Observer(workers)
    observer.observe([one], [one], {})
    read = observer.readings
    assert not any(reading.error for reading in read.values())
    assert read["collector"].ended <= min(read["schedd"].started, read["panda"].started)
    assert max(read["schedd"].ended, read["panda"].ended) <= read["cloud"].started


@pytest.mark.parametrize(("maximum", "polled"), [(None, {"a"}), (10, {"a", "b"})])
def test_max_per_factory_polls_the_sources_of_all_queues(
    make: Make, statedir: StateDir, maximum: int | None, polled: set[str]
) -> None:
    """Queues that are not due count too."""
    a, b = (queue(name, parts={"batch": {"sources": (Numbers(name=name),)}}) for name in ("a", "b"))
    make(config(a, b, max_per_factory=maximum)).run({"a"})
    assert set(_started(status(statedir))) - {"numbers"} == polled
    assert set(queues(statedir)) == {"a"}


def test_sighup_during_start_up_does_not_end_the_factory() -> None:
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


def test_failed_rounds_in_a_row_exit_with_status_70() -> None:
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
