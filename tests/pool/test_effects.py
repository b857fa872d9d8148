"""The model of effects (factory/world/effects.py) agrees with real daemons."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from factory.act.actor import Actor
from factory.config import load
from factory.config.queues import Config
from factory.model.actions import Action, ClearRetire, Remove, Retire, Unretire
from factory.model.job_status import JobStatus
from factory.model.pool import PoolRows
from factory.model.status import BatchStatus
from factory.model.vm import VM
from factory.model.vm_job import VMJobRows
from factory.process.workers import Workers
from factory.service.rehearsal import Rehearsal, rehearse
from factory.state.directory import StateDir
from factory.world.effects import VMFacts, effect, leave_if_empty
from tests.pool.conftest import MakeFactory
from tests.rig.factory import QUEUE, Factory
from tests.rig.pool import Pool
from tests.rig.wait import until
from tests.rig.work import Batch, Work

Act = Callable[[Action], str | None]
Observe = Callable[[], tuple[VM, VMFacts]]


@pytest.fixture
def busy(make_factory: MakeFactory) -> tuple[Factory, Batch]:
    """Return a stopped factory with one busy VM, and the job on it."""
    factory = make_factory(sched__retireidle__after="1h")
    factory.start()
    job = Work(factory).submit(1)
    job.wait_running()
    until(lambda: factory.states() == {"busy": 1}, "its VM is busy", 30)
    factory.stop()
    return factory, job


@pytest.fixture
def observe(busy: tuple[Factory, Batch], pool: Pool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Observe]:
    """Yield ``observe()``, which returns the only VM and its facts in schedd and collector."""
    monkeypatch.setenv("CONDOR_CONFIG", pool.env["CONDOR_CONFIG"])
    config, workers = load([busy[0].conf]), Workers()
    yield lambda: _facts(rehearse(config, workers))
    workers.stop()


@pytest.fixture
def act(busy: tuple[Factory, Batch], observe: Observe) -> Iterator[Act]:
    """Yield ``act(action)``, which performs an action as the daemon does and returns its error or None."""
    config: Config = load([busy[0].conf])
    workers, statedir = Workers(), StateDir(config.factory.statedir, config.factory.id)

    def done(action: Action) -> str | None:
        (outcome,) = Actor(config, workers, statedir, f"{time.time():.0f} test 1").act([action])
        return outcome.error

    yield done
    workers.stop()


def _facts(seen: Rehearsal) -> tuple[VM, VMFacts]:
    (decision,) = seen.round.decisions
    assert isinstance(decision.batch, BatchStatus)
    (vm,) = decision.batch.vms
    (jobs,) = [each.rows for each in seen.readings if isinstance(each.rows, VMJobRows)]
    (pool,) = [each.rows for each in seen.readings if isinstance(each.rows, PoolRows)]
    (row,) = [job for job in jobs.jobs if job.uuid == vm.uuid]
    machine, master = pool.machines.get(vm.uuid), pool.masters.get(vm.uuid)
    draining = machine is not None and machine.drain_reason is not None
    retiring = machine is not None and machine.retiring > 0
    facts = VMFacts(
        uuid=vm.uuid,
        submitted=row.submitted,
        status=row.status,
        instance=row.instance,
        retire=row.retire_time,
        unretire=row.unretire_time,
        hold=row.hold,
        alive=row.grid_status == "running",
        startd=machine is not None,
        jobs=0 if machine is None else machine.claims,
        leaving="drain" if draining else "off" if retiring else None,
        startd_ad=machine is not None,
        master_ad=master is not None,
    )
    return vm, facts


def _becomes(observe: Observe, predicted: VMFacts, what: str, timeout_s: float = 60) -> tuple[VM, VMFacts]:
    """Wait until the daemons show the predicted facts, except for times."""

    def same() -> tuple[VM, VMFacts] | None:
        vm, facts = observe()
        pairs = ((predicted.status, facts.status), (predicted.instance, facts.instance), (predicted.jobs, facts.jobs))
        flags = (
            (predicted.retire is None, facts.retire is None),
            (predicted.unretire is None, facts.unretire is None),
            (predicted.startd, facts.startd),
            (predicted.leaving, facts.leaving),
        )
        return (vm, facts) if all(a == b for a, b in (*pairs, *flags)) else None

    found = until(same, f"{what}: {predicted}", timeout_s, 1)
    assert found is not None
    return found


def test_retire_and_unretire_follow_the_model(busy: tuple[Factory, Batch], observe: Observe, act: Act) -> None:
    """This uses drain and off, with a job and without one."""
    job = busy[1]
    vm, facts = observe()
    assert (facts.startd, facts.jobs, facts.leaving) == (True, 1, None)

    def carries_out(action: Action, what: str) -> tuple[VM, VMFacts]:
        predicted, succeeds = effect(action, facts, time.time())
        assert (act(action) is None) == succeeds, what
        return _becomes(observe, predicted, what)

    vm, facts = carries_out(Retire(queue=QUEUE, vm=vm, method="drain", reason="test"), "a busy VM drains")
    assert facts.jobs == 1, "its job keeps running"
    vm, facts = carries_out(Unretire(queue=QUEUE, vm=vm, reason="test"), "the drain is cancelled")
    assert facts.startd
    vm, facts = carries_out(ClearRetire(queue=QUEUE, vm=vm, reason="test"), "the mark is cleared")
    assert facts.retire is None
    vm, facts = carries_out(Retire(queue=QUEUE, vm=vm, method="off", reason="test"), "a busy VM is turned off")
    assert facts.jobs == 1

    job.open()
    job.wait_done()
    empty = leave_if_empty(replace(facts, jobs=0), time.time())
    assert not empty.startd
    vm, facts = _becomes(observe, empty, "its startd stops after its last job")
    assert facts.master_ad, "its master stays"
    vm, facts = carries_out(Unretire(queue=QUEUE, vm=vm, reason="test"), "the startd returns")
    assert facts.startd


def test_removal_follows_the_model(busy: tuple[Factory, Batch], observe: Observe, act: Act) -> None:
    """Removal is refused while a job runs, while an ad exists, and in another state of the job (rules 5, 10)."""
    job = busy[1]
    vm, facts = observe()

    def tries(facts: VMFacts, **own: object) -> bool:
        still = own.pop("still", f'JobStatus == 2 && EC2InstanceName == "{vm.instance}"')
        action = Remove(queue=QUEUE, job=vm.job, vm=vm, still=str(still), reason="test", **own)  # type: ignore[arg-type]
        predicted, succeeds = effect(action, facts, time.time())
        error = act(action)
        assert (error is None) == succeeds, (error, own)
        assert (predicted.status == JobStatus.REMOVED) == succeeds
        return succeeds

    assert not tries(facts), "a job runs on the VM"
    job.open()
    job.wait_done()
    vm, facts = _becomes(observe, replace(facts, jobs=0), "its job has ended")
    assert not tries(facts, absent=True), "its ads are in the collector"
    assert not tries(facts, still="JobStatus == 1 && EC2InstanceName =?= undefined"), "it has an instance"
    assert tries(facts)
