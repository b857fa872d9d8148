"""The round of all queues: needed data, blocks, and the order of actions."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from factory.condor.schedd.job_counts import JobCountRows
from factory.config import load
from factory.config.queues import Config
from factory.decide.decide import decide
from factory.decide.decision import Decision, Round
from factory.model.actions import Remove, Retire, Submit, Unretire
from factory.model.memory import Memory, Seen
from factory.model.pool import PoolRows
from factory.model.source import Reading
from factory.model.vm_job import VMJobRow, VMJobRows
from factory.world.world import World
from tests.rig.chains import conf
from tests.rig.vms import NOW, job, machine, master

WORK = JobCountRows(total={1: 3})
NO_WORK = JobCountRows()
READ_AT = NOW - 10


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """Return a configuration with queue Q, then queue R, equal but for their names."""
    text = conf("Ready, MaxToRun, RetireIdle", {"sched.maxtorun.maximum": 5, "sched.retireidle.after": 60})
    path = tmp_path_factory.mktemp("decide") / "queues.conf"
    path.write_text(text + "\n[R]\n" + text.split("[Q]\n")[1])
    return load([path])


def world(config: Config, wms: object, jobs: object, pool: object, **fields: Any) -> World:
    """Return the World after these polls, each with rows or, as a text, the reason of its failure."""
    queue = config.queues[0]
    assert queue.wmsstatus is not None
    demand = queue.wmsstatus.sources()[0]
    pool_source, jobs_source = queue.batchstatus.sources()
    readings = {}
    for source, rows in ((demand, wms), (jobs_source, jobs), (pool_source, pool)):
        error = rows if isinstance(rows, str) else None
        readings[source.key] = Reading(source.key, READ_AT, READ_AT, None if error else rows, error)
    return World(NOW, readings, **{"memory": Memory(), **fields})


def vms(*jobs: VMJobRow, pool: Mapping[str, Any] | None = None) -> tuple[VMJobRows, PoolRows]:
    return VMJobRows(jobs), PoolRows(10_000, **(pool or {}))


def of(round_: Round, queue: str = "Q") -> Decision:
    return next(decision for decision in round_.decisions if decision.queue == queue)


IDLE = {"machines": {"vm1": machine(idle_since=NOW - 100)}}
LEFT = {"masters": {"vm1": master(startd_runs=False)}}
SEEN = Memory({"vm1": Seen(NOW - 500)})


def test_buys_for_waiting_jobs_and_retires_idle_vms(config: Config) -> None:
    (bought,) = of(decide(config, world(config, WORK, *vms()), {"Q"})).actions
    assert isinstance(bought, Submit)
    assert bought.n == 3
    (gone,) = of(decide(config, world(config, NO_WORK, *vms(job(), pool=IDLE)), {"Q"})).actions
    assert isinstance(gone, Retire)


@pytest.mark.parametrize(
    ("wms", "jobs", "pool"), [("down", None, None), (None, "down", None), (None, None, "down")]
)  # fmt: skip
def test_blocked_by_a_failed_reading(config: Config, wms: str | None, jobs: str | None, pool: str | None) -> None:
    """Rule 2: it neither buys nor retires, and gives the reason."""
    for work, known in ((WORK, vms()), (NO_WORK, vms(job(), pool=IDLE))):
        readings = (wms or work, jobs or known[0], pool or known[1])
        decision = of(decide(config, world(config, *readings), {"Q"}))
        assert decision.chain.blocked_text is not None
        assert "down" in decision.chain.blocked_text
        assert decision.actions == ()


def test_purchases_wait_for_the_first_audit(config: Config, tmp_path: Path) -> None:
    """Rules 2 and 6: the number of orphans is unknown until then. VMs retire all the same."""
    round_ = decide(config, world(config, WORK, *vms(), unaudited=frozenset({"Q"})), {"Q", "R"})
    assert [len(of(round_, queue).actions) for queue in "QR"] == [0, 1]
    assert "its cloud has not been audited yet" in str(of(round_).chain.blocked_text)
    going = decide(config, world(config, NO_WORK, *vms(job(), pool=IDLE), unaudited=frozenset({"Q"})), {"Q"})
    assert isinstance(of(going).actions[0], Retire)

    path = tmp_path / "queues.conf"
    path.write_text(conf("Ready, MaxPerFactory", {}, {"maxperfactory.maximum": 5}))
    capped = load([path])
    decision = of(decide(capped, world(capped, WORK, *vms(), unaudited=frozenset({"R"})), {"Q"}))
    assert decision.actions == ()
    assert "queue R: its cloud has not been audited yet" in str(decision.chain.blocked_text)


def test_each_orphan_counts_once_under_the_cap_of_the_factory(config: Config, tmp_path: Path) -> None:
    """Rule 6: orphans of a removed section count too."""
    path = tmp_path / "queues.conf"
    path.write_text(conf("Ready, MaxPerFactory", {}, {"maxperfactory.maximum": 5}))
    capped = load([path])
    for orphans, n in (({"Q": 2}, 3), ({"Q": 3}, 2), ({"Q": 2, "GONE": 1}, 2)):
        (submit,) = of(decide(capped, world(capped, WORK, *vms(), orphans=orphans), {"Q"})).actions
        assert isinstance(submit, Submit)
        assert submit.n == n


def test_reading_counts_only_if_polled_after_the_last_act(config: Config) -> None:
    """Rule 3."""
    for acted, n in ((READ_AT - 1, 1), (READ_AT, 0), (READ_AT + 1, 0)):
        round_ = decide(config, world(config, WORK, *vms(), acted={"Q": acted}), {"Q", "R"})
        assert len(of(round_).actions) == n
        assert len(of(round_, "R").actions) == 1, "the other queue has not acted yet"
    blocked = of(round_).chain.blocked_text
    assert blocked is not None
    assert "not read since the queue last acted" in blocked


def test_old_readings_are_unknown(config: Config) -> None:
    """Rule 2."""
    old = world(config, WORK, *vms())
    late = World(READ_AT + 361, old.readings)
    assert "361 s old" in str(of(decide(config, late, {"Q"})).chain.blocked_text)


def test_removes_an_empty_vm_while_the_wms_status_is_unknown(config: Config) -> None:
    empty = world(config, "down", *vms(job(retire_time=NOW - 50), pool=LEFT))
    (gone,) = of(decide(config, empty, {"Q"})).actions
    assert isinstance(gone, Remove)


def test_same_world_gives_the_same_round_without_a_clock(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 4."""
    given = world(config, WORK, *vms(job(), pool=IDLE))
    first = decide(config, given, {"Q", "R"})

    def clock(*arguments: object) -> float:
        raise AssertionError("decide used a clock")

    for name in ("time", "monotonic", "time_ns", "gmtime", "localtime"):
        monkeypatch.setattr(time, name, clock)
    second = decide(config, given, {"Q", "R"})
    monkeypatch.undo()
    assert first == second


def test_newer_factory_with_our_id_stops_all_actions(config: Config) -> None:
    """Rule 10: upkeep stops too."""
    empty = vms(job(retire_time=NOW - 50), pool=LEFT)
    round_ = decide(config, world(config, WORK, *empty, newer_factory="2000 elsewhere 1"), {"Q", "R"})
    assert round_.actions == ()
    assert all("2000 elsewhere 1" in str(decision.chain.blocked_text) for decision in round_.decisions)


def test_only_due_queues_decide(config: Config) -> None:
    assert [d.queue for d in decide(config, world(config, WORK, *vms()), {"R"}).decisions] == ["R"]


def test_adds_by_priority_and_ends_by_reverse_priority(config: Config) -> None:
    """DESIGN section 3."""
    jobs, pool = vms(
        job("vm1"),
        job("vm2", queue="R"),
        pool={"machines": {name: machine(name, idle_since=NOW - 100) for name in ("vm1", "vm2")}},
    )
    down = decide(config, world(config, NO_WORK, jobs, pool), {"Q", "R"}).actions
    assert [(type(action), action.queue) for action in down] == [(Retire, "R"), (Retire, "Q")]
    up = decide(config, world(config, WORK, *vms()), {"Q", "R"}).actions
    assert [(type(action), action.queue) for action in up] == [(Submit, "Q"), (Submit, "R")]
    leaving = vms(job(retire_time=NOW - 50), pool={"machines": {"vm1": machine(drain_reason="apf apf: x")}})
    kinds = [type(action) for action in decide(config, world(config, WORK, *leaving, memory=SEEN), {"Q"}).actions]
    assert kinds == [Unretire, Submit], "unretire before buying (rule 7)"


def test_every_decision_and_action_has_a_reason(config: Config) -> None:
    """Rule 13."""
    for given in (world(config, WORK, *vms()), world(config, "down", *vms()), world(config, NO_WORK, *vms(job()))):
        round_ = decide(config, given, {"Q", "R"})
        assert all(decision.chain.reason for decision in round_.decisions)
        assert all(step.reason for decision in round_.decisions for step in decision.chain.steps)
        assert all(action.reason for action in round_.actions)


def test_disabled_queue_buys_none_and_cares_for_its_vms(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Otherwise no one would retire or remove the VMs of a disabled queue."""
    text = conf("Ready", {})
    path = tmp_path_factory.mktemp("disabled") / "queues.conf"
    path.write_text(text + "\n[R]\nenabled = False\n" + text.split("[Q]\n")[1].replace("enabled = True", ""))
    config = load([path])
    assert config.disabled == ("R",)
    away = {"machines": {}, "masters": {"vm1": master(startd_runs=False)}}
    jobs, pool = vms(job(queue="R"), pool=away)
    answer = of(decide(config, world(config, WORK, jobs, pool, memory=SEEN), {"Q", "R"}), "R")
    assert "disabled" in (answer.chain.blocked_text or "")
    assert [type(action) for action in answer.actions] == [Remove]
