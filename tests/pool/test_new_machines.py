"""A machine that works, is ill or is odd is no picture of a new one: exactly the machines that jobs need are bought."""

from collections import Counter
from pathlib import Path

import pytest

from tests.pool.conftest import MakeFactory
from tests.pool.test_fit import FIT, bought, explained
from tests.rig.factory import Factory
from tests.rig.wait import until
from tests.rig.work import Work

ROUNDS = 6
"""Rounds in which a wrong purchase would come."""


def layer(tmp_path: Path, *lines: str) -> dict[str, object]:
    """Return the settings of a queue whose machines have these lines in their configuration."""
    path = tmp_path / "layer.yaml"
    config = "".join(f"      {line}\n" for line in lines)
    path.write_text(f"#cloud-config\nwrite_files:\n  - path: /etc/condor/config.d/95-test\n    content: |\n{config}")
    return {**FIT, "batchsubmit__condorec2__user_data_files": path}


def stays(factory: Factory, machines: dict[str, int]) -> None:
    """Check that these machines were bought, and that no more are in the next rounds."""
    assert bought(factory) == machines
    factory.rounds(ROUNDS)
    assert bought(factory) == machines


def test_custom_resources_are_packed(make_factory: MakeFactory, tmp_path: Path) -> None:
    keys = layer(tmp_path, "MACHINE_RESOURCE_Tape = 2") | {"batchsubmit__condorec2__instance_type": "m5.2xlarge"}
    factory = make_factory(**keys)
    jobs = Work(factory).submit(6, request_cpus=1, request_tape=1)
    with factory:
        jobs.wait_running()
        stays(factory, {"m5.2xlarge": 3})
        jobs.open()
        jobs.wait_done()
        until(lambda: not factory.vm_jobs(), "the machines end", 60, 0.5)
        factory.stop()
        again = Work(factory).submit(4, request_cpus=1, request_tape=1)
        assert "buys 2 × m5.2xlarge now" in explained(factory, "job", f"{again.cluster}.0")
        factory.start()
        again.wait_running()
        stays(factory, {"m5.2xlarge": 5})


GPUS = (
    "MACHINE_RESOURCE_GPUs =",
    "MACHINE_RESOURCE_INVENTORY_GPUs = /usr/libexec/condor/condor_gpu_discovery -simulate:1,1 -properties -extra",
)


def test_gpu_jobs_that_come_while_the_only_machine_works_get_machines(
    make_factory: MakeFactory, tmp_path: Path
) -> None:
    factory = make_factory(**(layer(tmp_path, *GPUS) | {"batchsubmit__condorec2__instance_type": "g4dn.xlarge"}))
    work = Work(factory)
    first = work.submit(1, request_cpus=1, request_gpus=1, gpus_minimum_memory=100)
    with factory:
        first.wait_running()
        more = work.submit(2, request_cpus=1, request_gpus=1, gpus_minimum_memory=200)
        never = work.submit(1, request_cpus=1, request_gpus=1, gpus_minimum_memory=40_000)
        more.wait_running()
        stays(factory, {"g4dn.xlarge": 3})
        assert {ad["JobStatus"] for ad in never.ads()} == {1}


WHOLE = "ifThenElse(TARGET.TotalSlotCpus is undefined, 1, TARGET.TotalSlotCpus)"


@pytest.mark.parametrize("cpus", [WHOLE, "TARGET.TotalSlotCpus"])
def test_whole_machine_jobs_get_a_machine_each(make_factory: MakeFactory, cpus: str) -> None:
    factory = make_factory(**(FIT | {"batchsubmit__condorec2__instance_type": "m5.xlarge"}))
    jobs = Work(factory).submit(3, request_cpus=cpus)
    text = explained(factory, "job", f"{jobs.cluster}.0")
    assert "one of 3 idle jobs whose request depends on the machine" in text
    assert "buys 3 × m5.xlarge now, for 3 of them" in text
    with factory:
        factory.rounds(1)
        assert bought(factory) == {"m5.xlarge": 3}
        jobs.wait_running()
        stays(factory, {"m5.xlarge": 3})


MOUNT = """#!/bin/sh
mkdir {lock} 2>/dev/null && touch ill
[ -e ill ] && echo HasMount = false || echo HasMount = true
echo -
"""


def test_machine_that_is_ill_does_not_stop_growth(make_factory: MakeFactory, tmp_path: Path) -> None:
    """The first machine to boot has no mount; all others have it."""
    lock, script = tmp_path / "first", tmp_path / "mount.sh"
    script.write_text(MOUNT.format(lock=lock))
    script.chmod(0o755)
    keys = layer(
        tmp_path, "STARTD_CRON_JOBLIST = MOUNT", f"STARTD_CRON_MOUNT_EXECUTABLE = {script}",
        "STARTD_CRON_MOUNT_CWD = $(LOG)", "STARTD_CRON_MOUNT_MODE = Periodic", "STARTD_CRON_MOUNT_PERIOD = 2s",
    )  # fmt: skip
    factory = make_factory(**(keys | {"batchsubmit__condorec2__instance_type": "m5.large"}))
    work = Work(factory)
    plain = work.submit(2, request_cpus=2)
    with factory:
        plain.wait_running()
        assert Counter(bought(factory)) == {"m5.large": 2}
        jobs = work.submit(2, requirements="TARGET.HasMount =?= true", request_cpus=2)
        jobs.wait_running()
        stays(factory, {"m5.large": 4})


HEALTH = """#!/bin/sh
[ -e {healthy} ] && echo NodeIsHealthy = true
echo -
"""


@pytest.mark.parametrize(
    ("declared", "first", "then"), [(True, "m5.large", {"m5.large": 2}), (False, "m5.xlarge", {"m5.xlarge": 1})]
)
def test_machine_whose_health_check_is_late_is_on_its_way(
    make_factory: MakeFactory, tmp_path: Path, declared: bool, first: str, then: dict[str, int]
) -> None:
    """Nothing else is bought for its jobs, and it does not retire, although ``after`` is over."""
    healthy, script, more = tmp_path / "healthy", tmp_path / "health.sh", tmp_path / "more"
    script.write_text(HEALTH.format(healthy=healthy))
    script.chmod(0o755)
    start = "START = (NodeIsHealthy =?= true)"
    more.write_text(f"{start}\n")
    keys = layer(
        tmp_path, "STARTD_CRON_JOBLIST = HEALTH", f"STARTD_CRON_HEALTH_EXECUTABLE = {script}",
        "STARTD_CRON_HEALTH_MODE = Periodic", "STARTD_CRON_HEALTH_PERIOD = 2s",
        start if declared else f"include : {more}",
    )  # fmt: skip
    factory = make_factory(**(keys | {"batchsubmit__condorec2__idle": 240}))
    jobs = Work(factory).submit(2, request_cpus=2)
    with factory:
        until(lambda: factory.states()["joined"] == 1, "the first machine has joined", 60)
        factory.rounds(12)
        assert bought(factory) == {first: 1}
        assert all(ad["JobStatus"] == 2 for ad in factory.vm_jobs())
        healthy.touch()
        jobs.wait_running()
        stays(factory, then)
        jobs.open()
        jobs.wait_done()


def test_job_that_avoids_its_last_machine_gets_another(make_factory: MakeFactory, tmp_path: Path) -> None:
    """HTCondor's own recipe against black holes: job_machine_attrs."""
    keys = layer(tmp_path, "NETWORK_HOSTNAME = @vm@.cloud") | {"batchsubmit__condorec2__instance_type": "m5.large"}
    factory = make_factory(**keys)
    others = " && ".join(f"TARGET.Machine =!= MachineAttrMachine{i}" for i in range(2))
    jobs = Work(factory).submit(
        1, request_cpus=2, job_machine_attrs="Machine", job_machine_attrs_history_length=2,
        requirements=f'TARGET.APFFactory == "{factory.id}" && {others}',
    )  # fmt: skip
    with factory:
        jobs.wait_running()
        stays(factory, {"m5.large": 1})
        (before,) = factory.pool.slots(f'APFFactory == "{factory.id}" && PartitionableSlot')
        factory.pool.run("condor_vacate_job", str(jobs.cluster))
        until(lambda: jobs.ads()[0]["JobStatus"] == 1, "the job is idle", 60)
        jobs.wait_running()
        assert jobs.ads()[0]["MachineAttrMachine1"] == before["Machine"] != jobs.ads()[0]["MachineAttrMachine0"]
        stays(factory, {"m5.large": 2})


@pytest.mark.parametrize("pinned", ["TARGET.Machine", "TARGET.Name", "Machine"])
def test_job_pinned_to_a_host_that_is_away_gets_no_machine(make_factory: MakeFactory, pinned: str) -> None:
    factory = make_factory(**FIT)
    jobs = Work(factory).submit(1, requirements=f'{pinned} == "node17.example.org"')
    assert "buys" not in explained(factory, "job", f"{jobs.cluster}.0")
    with factory:
        stays(factory, {})
        assert "buys" not in explained(factory, "job", f"{jobs.cluster}.0")
        factory.restart()
        stays(factory, {})
