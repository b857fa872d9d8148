"""Names of factories, queues and VMs that differ only in letter case are different (rule 10).

The ClassAd operator ``==`` ignores case.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import TypeVar

import pytest

from factory.act.actor import Actor
from factory.condor.classad.literals import same_text
from factory.condor.collector.machines import PoolSource
from factory.condor.job_demand import DemandQuery, JobDemandSource, SelectionDemand
from factory.condor.schedd import actions as acts
from factory.condor.schedd import orphan_checks as reap
from factory.condor.schedd.history import HistorySource, HistoryWindow, RecentJobs
from factory.condor.schedd.plain_jobs import PilotsSource
from factory.condor.schedd.plain_jobs import our_plain_jobs as our_pilots
from factory.condor.schedd.vm_jobs import VMJobsSource, our_vm_jobs, owning_jobs, queue_vm_jobs
from factory.config import load
from factory.config.queues import Config
from factory.model.actions import Remove
from factory.model.address import PoolAddress, ScheddAddress
from factory.model.vm import JobId
from factory.process.workers import CallFailed, Workers
from factory.state.directory import StateDir
from tests.rig.pool import Pool
from tests.rig.queues import VMS, submit_tools
from tests.rig.wait import until

T = TypeVar("T")
Ask = Callable[..., T]

LOCAL = ScheddAddress()
_numbers = count(1)


@pytest.fixture
def ask(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask[object]]:
    """Return a function that calls another one in a worker, as the factory does."""
    monkeypatch.setenv("CONDOR_CONFIG", pool.env["CONDOR_CONFIG"])
    workers = Workers()
    yield lambda function, *arguments: workers.call("any", 30, function, *arguments)
    workers.stop()


@pytest.fixture
def two(pool: Pool) -> Iterator[tuple[str, str]]:
    """Yield the names of two factories; remove their jobs at the end."""
    name = f"case{next(_numbers)}"
    yield name, name.upper()
    for each in (name, name.upper()):
        pool.run("condor_rm", "-constraint", same_text("APFFactory", each), check=False)


def owner(pool: Pool) -> str:
    return pool.user.split("@", maxsplit=1)[0]


def held(pool: Pool, factory: str, queue: str = "Q", vm: str | None = None) -> JobId:
    """Submit a held job that looks like one of this factory."""
    own = {"executable": "/bin/true", "hold": "true", "My.APFFactory": f'"{factory}"', "My.APF_QUEUE": f'"{queue}"'}
    return JobId(pool.submit(own | ({} if vm is None else {"My.APFVM": f'"{vm}"'}), 1), 0)


def grid(pool: Pool, factory: str, vm: str) -> JobId:
    """Submit a held grid job that looks like a VM job of this factory."""
    own = {"universe": "grid", "grid_resource": "batch pbs", "executable": "/bin/true", "hold": "true"}
    return JobId(
        pool.submit({**own, "My.APFFactory": f'"{factory}"', "My.APFVM": f'"{vm}"', "My.APF_QUEUE": '"Q"'}, 1), 0
    )


def test_factories_see_only_their_own_pilots_and_vm_jobs(pool: Pool, ask: Ask[object], two: tuple[str, str]) -> None:
    pilots = {name: held(pool, name) for name in two}
    vm_jobs = {name: grid(pool, name, f"vm of {name}") for name in two}
    for name in two:
        seen = PilotsSource(schedd=LOCAL, owner=owner(pool), factory_id=name)
        assert [job.job for job in ask(seen.fetch).jobs["Q"]] == [pilots[name]]  # type: ignore[attr-defined]
        machines = VMJobsSource(schedd=LOCAL, owner=owner(pool), factory_id=name)
        assert [row.job for row in ask(machines.fetch).jobs] == [vm_jobs[name]]  # type: ignore[attr-defined]


def configured(directory: Path, pool: Pool, factory: str, *queues: str) -> Config:
    """Return a configuration of VM queues with at most one VM each."""
    keys = {**VMS, "batchsubmit.condorec2.maxinstances": 1}
    sections: list[tuple[str, Mapping[str, object]]] = [
        ("Factory", {"factoryId": factory, "owner": owner(pool), "pool": pool.address})
    ]
    sections += [(name, keys) for name in queues]
    path = directory / "queues.conf"
    path.write_text(
        "\n".join(
            f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in of_section.items())
            for name, of_section in sections
        )
    )
    return load([path])


def test_actions_never_touch_jobs_of_another_factory(
    pool: Pool, ask: Ask[object], two: tuple[str, str], tmp_path: Path
) -> None:
    """Neither an action nor its constraint touches a job of the other factory."""
    mine, theirs = two
    jobs = [held(pool, theirs, vm="VM-1"), held(pool, theirs)]
    workers = Workers()
    actor = Actor(configured(tmp_path, pool, mine, "Q"), workers, StateDir(tmp_path, mine), "1000 host 1")
    outcomes = actor.act([Remove(queue="Q", job=job, still="JobStatus == 5", reason="test") for job in jobs])
    workers.stop()
    assert all("gone or no longer matches" in str(outcome.error) for outcome in outcomes), outcomes
    for job, constraint in zip(jobs, (our_vm_jobs(owner(pool), mine), our_pilots(owner(pool), mine)), strict=True):
        with pytest.raises(CallFailed, match="gone or no longer matches"):
            ask(acts.edit, LOCAL, job, constraint, "APFRetireTime", "1")
        with pytest.raises(CallFailed, match="gone or no longer matches"):
            ask(acts.release, LOCAL, job, constraint, "test")
    assert len(pool.jobs(f"{same_text('APFFactory', theirs)} && JobStatus == 5")) == 2


def test_hard_cap_counts_only_machines_of_its_queue(
    pool: Pool, ask: Ask[object], two: tuple[str, str], tmp_path: Path
) -> None:
    """The cap is that of rule 6."""
    mine, _ = two
    config = configured(tmp_path, pool, mine, "Cloud", "CLOUD")
    held(pool, mine, queue="Cloud", vm="vm-0")
    caps = {}
    for queue in config.queues:
        maximum = queue.batchsubmit.submission(1, (), submit_tools(tmp_path)).maximum
        assert maximum is not None
        caps[queue.name] = queue_vm_jobs(owner(pool), mine, queue.name), maximum
    description = f'executable = /bin/true\nhold = true\nMy.APFFactory = "{mine}"\nMy.APFVM = "$(vm)"\n'
    items = [{"vm": "vm-1"}]
    with pytest.raises(CallFailed, match="1 job in the queue and 1 to submit exceed the cap of 1"):
        ask(acts.submit, LOCAL, description, items, caps["Cloud"])
    assert ask(acts.submit, LOCAL, description, items, caps["CLOUD"])


def test_factories_see_only_their_own_machines(pool: Pool, ask: Ask[object], two: tuple[str, str]) -> None:
    machines = {name: str(uuid.uuid4()) for name in two}
    for name, vm in machines.items():
        advertised = {"Name": f'"{vm}"', "APFVM": f'"{vm}"', "APFFactory": f'"{name}"', "MyType": '"DaemonMaster"'}
        pool.run("condor_advertise", "UPDATE_MASTER_AD", stdin="".join(f"{k} = {v}\n" for k, v in advertised.items()))
    collector = PoolAddress(pool.address)

    def masters(name: str) -> set[str]:
        return set(ask(PoolSource(pool=collector, factory_id=name).fetch).masters)  # type: ignore[attr-defined]

    for name, vm in machines.items():
        until(lambda name=name, vm=vm: masters(name) == {vm}, f"{name} sees its machine, and no other")  # type: ignore[misc]
        assert set(ask(reap.instances_in_pool, collector, [vm, vm.upper()])) == {vm}  # type: ignore[call-overload]
        with pytest.raises(CallFailed, match="is back in the pool"):
            ask(acts.remove, LOCAL, JobId(1, 0), "true", "test", None, (collector, vm))
        with pytest.raises(CallFailed, match="gone or no longer matches"):
            ask(acts.remove, LOCAL, JobId(0, 0), "true", "test", None, (collector, vm.upper()))


def test_orphan_is_not_confused_with_another_vm(pool: Pool, ask: Ask[object], two: tuple[str, str]) -> None:
    vm, owning = f"{two[0]}-vm", owning_jobs(owner(pool), two[0])
    job = grid(pool, two[0], vm)
    for asked, owned in ((vm, {vm: f"VM job {job} owns it"}), (vm.upper(), {})):
        assert ask(reap.vms_in_use, LOCAL, [asked], owning).owned == owned  # type: ignore[attr-defined]


def test_only_a_grid_job_of_this_factory_owns_an_instance(pool: Pool, ask: Ask[object], two: tuple[str, str]) -> None:
    """A user can write any APFVM into the ad of their own job."""
    vm, owning = f"{two[0]}-vm", owning_jobs(owner(pool), two[0])
    held(pool, two[0], vm=vm)
    grid(pool, two[1], vm)
    assert ask(reap.vms_in_use, LOCAL, [vm], owning).owned == {}  # type: ignore[attr-defined]
    assert ask(reap.vms_in_use, LOCAL, [vm], owning_jobs("nobody", two[1])).owned == {}  # type: ignore[attr-defined]


def test_history_finds_only_jobs_of_the_own_factory(pool: Pool, ask: Ask[object], two: tuple[str, str]) -> None:
    mine, theirs = two
    local = {"universe": "local", "executable": "/bin/true", "My.MATCH_APF_QUEUE": '"A"'}
    cluster = pool.submit({**local, "My.APFFactory": f'"{mine}"'}, 1)
    until(lambda: pool.history(f"ClusterId == {cluster}"), "the job is in the history", 60)
    window = HistoryWindow("A", span_s=3600, short_s=60)
    for name, found in ((mine, RecentJobs(1, 1)), (theirs, RecentJobs(0, 0))):
        source = HistorySource(schedd=LOCAL, owner=owner(pool), factory_id=name, windows=frozenset({window}))
        assert ask(source.fetch) == {window: found}


def waiting(selection: str) -> int:
    """Return the number of matching idle jobs, grouped by the schedd."""
    source = JobDemandSource(pool=PoolAddress(), queries=frozenset({DemandQuery(selection)}))
    found = source.fetch().by_selection[selection]
    assert isinstance(found, SelectionDemand)
    return sum(group.count for group in found.groups)


def test_work_of_a_queue_is_that_of_its_exact_name(pool: Pool, ask: Ask[object], tmp_path: Path) -> None:
    """The constraint of a grouped query sees only the projected attributes."""
    name = f"work{uuid.uuid4().hex}"
    never = {"executable": "/bin/true", "requirements": "false"}
    for queue, number in ((name, 3), (name.upper(), 2)):
        pool.submit({**never, "My.MATCH_APF_QUEUE": f'"{queue}"'}, number)
    try:
        for queue, number in ((name, 3), (name.upper(), 2)):
            for chain in ("Fixed", "Fit"):
                keys = {**VMS, "wmsstatusplugin": "CondorLocal", "wmsqueue": queue, "schedplugin": chain}
                (tmp_path / "queues.conf").write_text("[Q]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items()))
                wms = load([tmp_path / "queues.conf"]).queues[0].wmsstatus
                assert wms is not None
                jobs = wms.jobs()
                assert jobs is not None
                assert ask(waiting, jobs[1]) == number
                if chain == "Fixed":
                    (source,) = wms.sources()
                    rows = ask(source.fetch).by_attribute["MATCH_APF_QUEUE"]  # type: ignore[attr-defined]
                    assert sum(rows[queue].values()) == number
    finally:
        pool.run("condor_rm", "-constraint", f'MATCH_APF_QUEUE == "{name}"')
