"""Fit on real daemons buys the machines that waiting jobs can use, and no others."""

from collections import Counter
from pathlib import Path

from localcloud.process import CloudProcess
from tests.pool.conftest import MakeFactory
from tests.rig.factory import Factory, ec2_queue, removed_at_end
from tests.rig.pool import Pool
from tests.rig.slots import advertise, partitionable
from tests.rig.wait import until
from tests.rig.work import Work

FIT = {
    "schedplugin": "Fit, MaxToRun",
    "sched__fit__after": 4,
    "batchsubmit__condorec2__instance_type": "m5.large, m5.xlarge",
}

GLUE = """#cloud-config
write_files:
  - path: /etc/condor/config.d/95-glue
    content: |
      HasGlue = true
      STARTD_ATTRS = $(STARTD_ATTRS) HasGlue
"""


def bought(factory: Factory, queue: str = "CLOUD") -> Counter[str]:
    """Return the number of VM jobs ever submitted, by instance type."""
    mine = f'APFFactory == "{factory.id}" && APF_QUEUE == "{queue}"'
    ads = factory.pool.jobs(mine) + factory.pool.history(mine)
    return Counter(str(ad["APFShape"]).split("/")[1] for ad in ads)


def said(factory: Factory, queue: str = "CLOUD") -> str:
    """Return the reason of Fit in the last round."""
    return "; ".join(str(step["reason"]) for step in factory.queue(queue).get("steps", ()))


def test_buys_for_jobs_of_all_sizes_and_not_for_impossible_ones(
    make_factory: MakeFactory,
) -> None:
    factory = make_factory(**FIT)
    work = Work(factory)
    never = work.submit(3, request_cpus=1, request_memory=999_000)
    big = work.submit(1, request_cpus=4, request_memory=12_000)
    with factory:
        big.wait_running()
        assert bought(factory) == {"m5.xlarge": 1}
        small = [work.submit(1, request_memory=500), work.submit(2, request_cpus=2, request_memory=1000)]
        for batch in small:
            batch.wait_running()
        factory.rounds(3)
        assert bought(factory) in ({"m5.large": 3, "m5.xlarge": 1}, {"m5.large": 1, "m5.xlarge": 2})
        assert "3 jobs request 975.6 GB of memory, but the largest shape has 16 GB" in said(factory)
        assert {ad["JobStatus"] for ad in never.ads()} == {1}
        for batch in (big, *small):
            batch.open()
            batch.wait_done()
        until(lambda: not factory.vm_jobs(), "the machines end although three jobs wait", 60, 0.5)


def test_buys_for_jobs_if_free_cores_lack_memory(make_factory: MakeFactory) -> None:
    factory = make_factory(**(FIT | {"batchsubmit__condorec2__instance_type": "m5.large"}))
    work = Work(factory)
    fat = work.submit(1, request_memory=7_000)
    with factory:
        fat.wait_running()
        more = work.submit(1, request_memory=2_000)
        more.wait_running()
        assert bought(factory) == {"m5.large": 2}
        assert len({str(ad["RemoteHost"]).split("@")[-1] for ad in fat.ads() + more.ads()}) == 2


def test_buys_although_the_ad_of_a_removed_vm_remains(make_factory: MakeFactory) -> None:
    factory = make_factory(**(FIT | {"batchsubmit__condorec2__instance_type": "m5.large"}))
    work = Work(factory)
    name = f"gone-{factory.id}"
    of = {"APFVM": f'"{name}"', "APFFactory": f'"{factory.id}"', "APFQueue": '"CLOUD"'}
    advertise(factory.pool, [partitionable(name, 8, 16_000, **of, Start="TARGET.RequestMemory == 901")])
    waits = work.submit(1, request_memory=901)
    with factory:
        waits.wait_running()
        assert name in factory.pool.run("condor_status", "-af", "Name")
        assert bought(factory) == {"m5.large": 1}


def explained(factory: Factory, *words: object) -> str:
    done = factory.run("explain", *map(str, words))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_explain_gives_the_facts_of_each_job(make_factory: MakeFactory) -> None:
    keys = {"batchsubmit__condorec2__instance_type": "m5.large", "sched__maxtorun__maximum": 1}
    factory = make_factory(**(FIT | keys | {"sched__fit__machine__HasGlue": "true"}))
    work = Work(factory)
    two = work.submit(2, request_cpus=2)
    huge = work.submit(1, request_memory=512_000)
    glue = work.submit(1, requirements="TARGET.HasGlue && TARGET.HasTape", request_memory=70)
    other = work.submit(1, **{"My.MATCH_APF_QUEUE": '"nobody"'})
    text = explained(factory, "job", f"{two.cluster}.0")
    assert "one of 2 idle jobs that request 2 cores, 64 MB of memory" in text
    assert "buys 1 × m5.large now, for 1 of them" in text
    assert "buys no machine for 1 more of them: capped by MaxToRun (room for 1 of 1)" in text
    text = explained(factory, "job", f"{huge.cluster}.0")
    assert "no shape of this queue serves it" in text
    assert "TARGET.Memory >= RequestMemory is false" in text
    text = explained(factory, "job", f"{glue.cluster}.0")
    assert "only a running machine can show" in text
    assert "TARGET.HasTape is undefined until a machine runs; to define it now, set sched.fit.machine.HasTape" in text
    assert "no queue serves it" in explained(factory, "job", f"{other.cluster}.0")
    assert factory.run("explain", "job", "99999.0").returncode == 1
    text = explained(factory, "queue", "CLOUD")
    assert "buys 1" in text
    assert "not one more: capped by MaxToRun" in text
    assert "not one fewer: 1 waiting job would have no machine" in text
    with factory:
        two.wait_running(1)
        (running,) = (ad for ad in two.ads() if ad["JobStatus"] == 2)
        assert f"job {two.cluster}.{running['ProcId']} is running on" in explained(
            factory, "job", f"{two.cluster}.{running['ProcId']}"
        )
        text = explained(factory, "queue", "CLOUD")
        assert "neither buys nor retires" in text
        assert "not one more: " in text
        factory.run("pause", "CLOUD", "--why", "a test")
        text = explained(factory, "queue", "CLOUD")
        assert "blocked: paused by" in text
        factory.run("resume", "CLOUD")
        two.open()
        two.wait_done()


def test_queues_fill_by_priority_and_serve_only_matching_jobs(pool: Pool, cloud: CloudProcess, tmp_path: Path) -> None:
    keys: dict[str, object] = {
        **FIT,
        "batchsubmit__condorec2__instance_type": "m5.large",
        "sched__maxtorun__maximum": 2,
    }
    glue = tmp_path / "glue.yaml"
    glue.write_text(GLUE)
    queues = {
        "CHEAP": ec2_queue(cloud, "cascade", **keys, priority=1),
        "DEAR": ec2_queue(cloud, "cascade", **keys, priority=2, batchsubmit__condorec2__user_data_files=glue),
    }
    with removed_at_end(Factory(tmp_path / "cascade", pool, "cascade", queues)) as factory:
        work = Work(factory)
        special = work.submit(1, request_cpus=2, requirements="TARGET.HasGlue && TARGET.APFQueue =!= undefined")
        with factory:
            special.wait_running()
            assert (bought(factory, "CHEAP"), bought(factory, "DEAR")) == ({}, {"m5.large": 1})
            plain = work.submit(3, request_cpus=2)
            plain.wait_running(timeout_s=90)
            assert (bought(factory, "CHEAP"), bought(factory, "DEAR")) == ({"m5.large": 2}, {"m5.large": 2})
            for batch in (special, plain):
                batch.open()
                batch.wait_done()
            until(lambda: not factory.vm_jobs(), "all machines end", 60, 0.5)
        assert (bought(factory, "CHEAP"), bought(factory, "DEAR")) == ({"m5.large": 2}, {"m5.large": 2})
