"""Actions on a schedd apply only to own jobs in the decided state (rules 6, 10)."""

import re
import socket
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from factory.act.actor import Actor
from factory.condor.schedd import actions as acts
from factory.condor.schedd.vm_jobs import our_vm_jobs
from factory.config import load
from factory.model.actions import Retire, Submit
from factory.model.address import PoolAddress, ScheddAddress
from factory.model.vm import JobId, VMState
from factory.process.workers import CallFailed, Workers
from factory.state.directory import StateDir
from tests.pool.test_letter_case import configured
from tests.rig.chains import conf
from tests.rig.pool import Pool
from tests.rig.vms import vm
from tests.rig.wait import until

LOCAL = ScheddAddress()
_ids = count(1)

Act = Callable[..., object]


@pytest.fixture
def act(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Act]:
    """Return a function that calls another one in a worker, as the factory does."""
    monkeypatch.setenv("CONDOR_CONFIG", pool.env["CONDOR_CONFIG"])
    workers = Workers()
    yield lambda function, *arguments: workers.call("schedd", 30, function, LOCAL, *arguments)
    workers.stop()


@pytest.fixture
def vm_jobs(pool: Pool) -> Iterator[Callable[..., tuple[str, list[JobId]]]]:
    """Return a function that submits held jobs that look like VM jobs of a new factory."""
    factories: list[str] = []

    def make(number: int, **attributes: object) -> tuple[str, list[JobId]]:
        factories.append(f"acts{next(_ids)}")
        lines = {f"My.{name}": value for name, value in attributes.items()}
        own = {"executable": "/bin/true", "hold": "true", "My.APFFactory": f'"{factories[-1]}"', "My.APFVM": '"vm"'}
        cluster = pool.submit({**own, **lines}, number)
        return factories[-1], [JobId(cluster, proc) for proc in range(number)]

    yield make
    for name in factories:
        pool.run("condor_rm", "-constraint", f'APFFactory == "{name}"', check=False)


def mine(pool: Pool, factory_id: str) -> str:
    return our_vm_jobs(pool.user.split("@", maxsplit=1)[0], factory_id)


def test_worker_checks_the_hard_cap_again_before_submitting(
    pool: Pool, act: Act, vm_jobs: Callable[..., tuple[str, list[JobId]]]
) -> None:
    """Held jobs count too, and the transaction is all or nothing (rule 6)."""
    factory_id, _ = vm_jobs(2)
    description = f'executable = /bin/true\nhold = true\nMy.APFFactory = "{factory_id}"\nMy.APFVM = "$(vm)"\n'
    items = [{"vm": "a"}, {"vm": "b"}]
    with pytest.raises(CallFailed, match="2 jobs in the queue and 2 to submit exceed the cap of 3"):
        act(acts.submit, description, items, (mine(pool, factory_id), 3))
    assert len(pool.jobs(mine(pool, factory_id))) == 2
    submitted = act(acts.submit, description, items, (mine(pool, factory_id), 4))
    assert isinstance(submitted, tuple)
    assert len(submitted) == 2
    assert sorted(ad["APFVM"] for ad in pool.jobs(mine(pool, factory_id))) == ["a", "b", "vm", "vm"]


@pytest.mark.parametrize(
    ("unowned", "error"), [(0, None), (1, "0 jobs in the queue and 1 to submit exceed the cap of 0")]
)
def test_worker_counts_instances_without_a_vm_job_against_the_hard_cap(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, unowned: int, error: str | None
) -> None:
    """Rule 6, checked again when the VM jobs are submitted."""
    monkeypatch.setenv("CONDOR_CONFIG", pool.env["CONDOR_CONFIG"])
    factory_id, statedir = f"acts{next(_ids)}", StateDir(tmp_path, "acts")
    statedir.open()
    workers = Workers()
    buy = Submit(queue="Q", n=1, unowned=unowned, reason="test")
    (outcome,) = Actor(configured(tmp_path, pool, factory_id, "Q"), workers, statedir, "1000 host 1").act([buy])
    workers.stop()
    pool.run("condor_rm", "-constraint", f'APFFactory == "{factory_id}"', check=False)
    assert (outcome.error is None) if error is None else (error in str(outcome.error))


def test_removes_jobs_at_once_if_the_schedd_changes_their_owner(
    pool: Pool, act: Act, vm_jobs: Callable[..., tuple[str, list[JobId]]]
) -> None:
    """Otherwise no poll would show them, and every round would buy them again."""
    factory_id, _ = vm_jobs(1)
    description = f'executable = /bin/true\nhold = true\nMy.APFFactory = "{factory_id}"\nMy.APFVM = "$(vm)"\n'
    theirs = our_vm_jobs("somebody", factory_id)
    with pytest.raises(CallFailed, match=r"another owner than \[Factory\] owner"):
        act(acts.submit, description, [{"vm": "a"}, {"vm": "b"}], None, theirs)
    assert [ad["APFVM"] for ad in pool.jobs(f'APFFactory == "{factory_id}" && JobStatus != 3')] == ["vm"]


def test_edits_and_removes_only_own_jobs_in_the_decided_state(
    pool: Pool, act: Act, vm_jobs: Callable[..., tuple[str, list[JobId]]]
) -> None:
    """Own jobs carry our owner and factory id (rule 10)."""
    factory_id, (first, second) = vm_jobs(2)
    other_id, (other,) = vm_jobs(1)
    own = mine(pool, factory_id)
    for job, still in ((other, own), (first, f"{own} && JobStatus == 2"), (JobId(first.cluster, 9), own)):
        with pytest.raises(CallFailed, match="gone or no longer matches"):
            act(acts.remove, job, still, "test")
        with pytest.raises(CallFailed, match="gone or no longer matches"):
            act(acts.edit, job, still, "APFRetireTime", "1")
    with pytest.raises(CallFailed, match="gone or no longer matches"):
        act(acts.remove, first, f'Owner == "nobody" && APFFactory == "{factory_id}"', "test")

    act(acts.edit, first, own, "APFRetireTime", "17")
    act(acts.remove, second, own, "not needed any more")
    (left,) = pool.jobs(own)
    assert (left["ProcId"], left["APFRetireTime"]) == (0, 17)
    (gone,) = pool.history(f"ClusterId == {second.cluster} && ProcId == {second.proc}")
    assert "not needed any more" in gone["RemoveReason"]
    assert len(pool.jobs(mine(pool, other_id))) == 1


def test_refuses_a_terminating_release_while_the_startd_is_in_the_pool(
    pool: Pool, act: Act, vm_jobs: Callable[..., tuple[str, list[JobId]]]
) -> None:
    """A machine whose termination failed may have joined since (rule 5). An ad of its master alone does not keep it."""
    factory_id, (job,) = vm_jobs(1)
    own, vm_id = mine(pool, factory_id), f"late-{factory_id}"
    address = PoolAddress(pool.address)
    marks = f'APFVM = "{vm_id}"\nMyAddress = "<127.0.0.1:9>"\n'
    pool.run(
        "condor_advertise", "-tcp", "UPDATE_MASTER_AD", stdin=f'MyType = "DaemonMaster"\nName = "{vm_id}"\n{marks}'
    )
    startd = f'MyType = "Machine"\nName = "slot1@{vm_id}"\nStartdIpAddr = "<127.0.0.1:9>"\n{marks}'
    pool.run("condor_advertise", "-tcp", "UPDATE_STARTD_AD", stdin=startd)
    with pytest.raises(CallFailed, match="back in the pool"):
        act(acts.release, job, own, "test", vm_id, (address, vm_id))
    assert [ad["JobStatus"] for ad in pool.jobs(own)] == [5]
    pool.run("condor_advertise", "-tcp", "INVALIDATE_STARTD_ADS", stdin=_invalidation(f"slot1@{vm_id}"))
    act(acts.release, job, own, "test", vm_id, (address, vm_id))
    assert 5 not in [ad["JobStatus"] for ad in pool.jobs(own)]


def _invalidation(name: str) -> str:
    return f'MyType = "Query"\nTargetType = "Machine"\nName = "{name}"\nRequirements = (Name == "{name}")\n'


@pytest.fixture
def nobody() -> Iterator[int]:
    """Yield a port on which a process listens and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listening:
        yield listening.getsockname()[1]


def test_unresponsive_machines_cost_a_round_at_most_two_commands(
    pool: Pool, nobody: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This uses the real condor_off and condor_drain (rule 12).

    A collector that has the StartD ad of any machine, such as one of an earlier test, looks for addresses only there;
    without one it looks at slots.
    """
    monkeypatch.setenv("CONDOR_CONFIG", pool.env["CONDOR_CONFIG"])
    names = [f"deaf{number}@localhost" for number in range(24)]
    _advertise(pool, "UPDATE_MASTER_AD", "DaemonMaster", names, nobody)
    _advertise(pool, "UPDATE_STARTD_AD", "StartD", names, nobody)
    _advertise(pool, "UPDATE_STARTD_AD", "Machine", [f"slot1@{name}" for name in names], nobody)
    until(
        lambda: pool.run("condor_status", "-any", "-af", "Name").count("deaf") >= 3 * len(names),
        "the collector has all ads",
        30,
    )
    path = tmp_path / "queues.conf"
    path.write_text(conf("Ready", {}, {"pool": pool.address, "command_timeout": 5}))
    workers = Workers()
    actor = Actor(load([path]), workers, StateDir(tmp_path, "apf"), "1000 host 1")
    gone = [vm(name, VMState.RETIRING, retire_time=1.0) for name in names]
    commands = [
        Retire(queue="Q", vm=each, method="off" if number % 2 else "drain", repeat=True, reason="test")
        for number, each in enumerate(gone)
    ]
    outcomes = actor.act(commands)
    workers.stop()
    assert all(re.search("took longer than [1-5] s", str(outcome.error)) for outcome in outcomes if outcome.tried), {
        o.error for o in outcomes
    }
    assert sum(outcome.tried for outcome in outcomes) >= 16


def _advertise(pool: Pool, command: str, kind: str, names: list[str], port: int) -> None:
    """Advertise daemons that all have this address."""
    address = f'"<127.0.0.1:{port}>"'
    version = 'CondorVersion = "$CondorVersion: 23.9.6 2024-08-08 $"\nCondorPlatform = "$CondorPlatform: x86_64 $"\n'
    same = f'MyType = "{kind}"\nMachine = "deaf"\nMyAddress = {address}\nStartdIpAddr = {address}\n{version}'
    ads = [f'{same}Name = "{name}"\n' for name in names]
    pool.run("condor_advertise", "-tcp", "-multiple", command, stdin="\n".join(ads))
