"""Work from real schedds: counted in one query, added up, and a lower bound if one schedd does not answer."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from factory.condor.schedd.job_counts import JobCountRows, JobCountSource
from factory.config.queues import Queue
from factory.decide.decide import decide
from factory.model.memory import Memory
from factory.model.source import Readings
from factory.model.status import Unknown, WmsStatus
from factory.observe.observer import Observer
from factory.observe.sources import plan_sources
from factory.plugin import Template
from factory.plugin.sched import Step
from factory.process.workers import Workers
from factory.settings.factory import FactorySettings
from factory.world.build import WorldInputs, make_world
from plugins.sched.fit import Fit
from plugins.wmsstatus.condor import Condor
from tests.rig import faulty
from tests.rig.chains import plugin
from tests.rig.fit import offer
from tests.rig.pool import SECOND, TWO_SCHEDDS, Pool
from tests.rig.wait import until
from tests.rig.workers import asking

_LOG = "SCHEDD_DEBUG = D_COMMAND\nMAX_SCHEDD_LOG = 100000000\n"
_DEADLINE_S = 8
"""Time enough for a worker to start on a busy machine."""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """Yield a pool with two schedds, no startd, and jobs in both schedds."""
    directory = tmp_path_factory.mktemp("two")
    (directory / "spool2").mkdir()
    with Pool(directory, TWO_SCHEDDS + _LOG, name="first@pool") as pool:
        until(lambda: SECOND in pool.run("condor_status", "-schedd", "-af", "Name"), "the second schedd is there")
        submit(pool, 5, queue="A")
        submit(pool, 3, queue="A", hold="true")
        submit(pool, 2, queue="B", colour="Blue")
        submit(pool, 4, colour="Blue")
        submit(pool, 16, queue="A", Managed="External")
        submit(pool, 32, universe="local", hold="true", queue="A")
        submit(pool, 64, universe="grid", grid_resource="ec2 http://localhost:1/", queue="A", APFVM="x", hold="true",
               ec2_access_key_id="/dev/null", ec2_secret_access_key="/dev/null", ec2_ami_id="ami-1")  # fmt: skip
        submit(pool, 128, queue="A", deferral_time=int(time.time()) + 100_000)
        submit(pool, 7, name=SECOND, queue="A")
        yield pool


@pytest.fixture
def workers(two: Pool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    with asking(two, monkeypatch) as running:
        yield running


def submit(pool: Pool, count: int, name: str = "first@pool", **job: Any) -> None:
    own = {"queue": "MATCH_APF_QUEUE", "colour": "Colour", "Managed": "Managed", "APFVM": "APFVM"}
    lines = [f'My.{own[key]} = "{value}"' if key in own else f"{key} = {value}" for key, value in job.items()]
    description = "\n".join(["executable = /bin/true", *lines, f"queue {count}", ""])
    pool.run("condor_submit", "-name", name, "-", stdin=description)


def queue(name: str = "Q", wmsqueue: str | None = "A", step: Any = None, **settings: Any) -> Queue:
    made = faulty.queue(name, parts={"sched": {"step": step}})
    queue_settings = made.settings.model_copy(update={"wmsqueue": wmsqueue})
    plugin = Condor(queue_settings, Condor.Settings(**settings), FactorySettings(deadline=_DEADLINE_S))
    return replace(made, settings=queue_settings, wmsstatus=plugin)


def polled(workers: Workers, *queues: Queue) -> Observer:
    observer = Observer(workers)
    observer.observe(queues, queues, {})
    return observer


def read(workers: Workers, *queues: Queue) -> list[WmsStatus | Unknown]:
    readings = Readings(time.time(), polled(workers, *queues).readings)
    return [each.wmsstatus.read(readings) for each in queues if each.wmsstatus]


def test_counts_only_jobs_for_startds_by_queue(workers: Workers) -> None:
    assert read(
        workers,
        queue(),
        queue(wmsqueue="B"),
        queue(wmsqueue="none"),
        queue(wmsqueue=None),
        queue(queueskey="ANY"),
        queue(wmsqueue="Blue", queueskey="Colour"),
        queue(constraint='Colour == "Blue" && MATCH_APF_QUEUE =?= undefined'),
        queue(constraint="true"),
    ) == [
        WmsStatus(ready=5, failed=3),
        WmsStatus(ready=2),
        WmsStatus(),
        WmsStatus(ready=11, failed=3),
        WmsStatus(ready=11, failed=3),
        WmsStatus(ready=6),
        WmsStatus(ready=4),
        WmsStatus(ready=11, failed=3),
    ]


def test_invalid_constraint_affects_only_its_own_queue(workers: Workers) -> None:
    wrong = queue("wrong")
    assert isinstance(wrong.wmsstatus, Condor)
    # As on a host without the bindings, where load() does not parse it.
    wrong.wmsstatus.settings = Condor.Settings.model_construct(constraint="Owner ==", queueskey="ANY")
    refused, right = read(workers, wrong, queue())
    assert isinstance(refused, Unknown)
    assert "'Owner ==' is not a ClassAd expression" in refused.reason
    assert right == WmsStatus(ready=5, failed=3)


def test_500_queues_need_one_query(two: Pool, workers: Workers) -> None:
    (source,) = plan_sources([queue(f"q{n}", wmsqueue=f"w{n}") for n in range(500)]).sources.values()
    assert isinstance(source, JobCountSource)
    log = two.log / "SchedLog"
    workers.call(source.address, 30, source.fetch)
    before = log.stat().st_size
    rows = workers.call(source.address, 30, source.fetch)
    assert isinstance(rows, JobCountRows)
    assert rows.total[1] == 11

    def handled() -> list[str]:
        said = log.read_bytes()[before:].decode(errors="replace").splitlines()
        return [line for line in said if "Calling HandleReq" in line and "QUERY" in line]

    until(lambda: bool(handled()), "the query is in the schedd's log")
    assert len(handled()) == 1


@pytest.mark.parametrize("way", ["name and pool", "host and port"])
def test_finds_schedds_by_name_and_pool_or_by_host_and_port(two: Pool, workers: Workers, way: str) -> None:
    host, port = two.address.split(":")
    settings: dict[str, Any] = {"schedd": SECOND, "pool": two.address}
    if way == "host and port":
        settings = {"scheddhost": SECOND, "collectorhost": host, "collectorport": port}
    assert read(workers, queue(**settings)) == [WmsStatus(ready=7)]


def test_schedd_missing_from_the_collector_is_unknown(workers: Workers) -> None:
    (status,) = read(workers, queue(schedd="nobody@pool"))
    assert isinstance(status, Unknown)
    assert "has no ad of schedd nobody@pool" in status.reason


def test_queue_buys_but_never_retires_while_one_schedd_is_down(two: Pool, workers: Workers) -> None:
    both = f"first@pool, {SECOND}"
    buys = queue("buys", schedd=both)
    retires = queue("retires", schedd=both, step=lambda _: Step(-2, "two too many"))
    assert read(workers, buys) == [WmsStatus(ready=12, failed=3)]
    second = two.pid_of_second_schedd()
    os.kill(second, signal.SIGSTOP)
    try:
        observer = polled(workers, buys, retires)
    finally:
        os.kill(second, signal.SIGCONT)
    world = make_world(time.time(), WorldInputs(observer.readings, Memory(), {}, "1 h 1", 0))
    first, last = decide(faulty.config(buys, retires), world, {"buys", "retires"}).decisions
    assert isinstance(first.wms, WmsStatus)
    assert (first.wms.ready, first.chain.ask.n) == (5, 5)
    assert f"jobs in schedd {SECOND}: no answer within {_DEADLINE_S} s" in str(first.wms.partial)
    assert SECOND in first.notes[0]
    assert (last.chain.blocked_text, last.chain.ask.n) == (None, 0)
    assert SECOND in last.chain.reason
    until(lambda: read(workers, buys) == [WmsStatus(ready=12, failed=3)], "the second schedd answers again")


def fit_queue(name: str, schedds: str) -> Queue:
    """Return a queue that buys machines of 8 cores for the jobs of both schedds."""
    made = queue(name, schedd=schedds)
    shape = offer()
    assert made.wmsstatus is not None
    made.wmsstatus.templates = (Template(str(shape.shape), shape.room, queue=name),)
    made.batchsubmit.offers = lambda seen: (shape,)  # type: ignore[method-assign]
    return replace(made, sched=(plugin(Fit),))


def test_fit_buys_for_one_schedd_while_the_other_is_down(two: Pool, workers: Workers) -> None:
    buys = fit_queue("buys", f"first@pool, {SECOND}")
    (status,) = read(workers, buys)
    assert isinstance(status, WmsStatus)
    assert (status.ready, status.failed, status.partial) == (12, 3, None)
    observer = polled(workers, buys)
    second = two.pid_of_second_schedd()
    os.kill(second, signal.SIGSTOP)
    try:
        observer.observe([buys], [buys], {})
        (failed,) = (key for key, reading in observer.readings.items() if reading.error)
        polled_once = observer.readings[failed].started
        observer.observe([buys], [buys], {})
        assert observer.readings[failed].started == pytest.approx(polled_once), "no second wait for the hung schedd"
    finally:
        os.kill(second, signal.SIGCONT)
    world = make_world(time.time(), WorldInputs(observer.readings, Memory(), {}, "1 h 1", 0))
    (decision,) = decide(faulty.config(buys), world, {"buys"}).decisions
    assert isinstance(decision.wms, WmsStatus)
    assert decision.wms.ready == 5
    assert f"in schedd {SECOND}, collector local: no answer within {_DEADLINE_S} s" in str(decision.wms.partial)
    assert decision.chain.ask.n == 1
    until(lambda: polled_ready(workers, buys) == 12, "the second schedd answers again")


def polled_ready(workers: Workers, one: Queue) -> int | None:
    (status,) = read(workers, one)
    return status.ready if isinstance(status, WmsStatus) else None
