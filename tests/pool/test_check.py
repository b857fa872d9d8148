"""Tests of ``apf check`` against a well-configured pool, a misconfigured one, and none."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.process import CloudProcess
from tests.rig.factory import QUEUE, Factory, ec2_queue
from tests.rig.pool import DOMAIN, Pool
from tests.rig.work import Work

_MISCONFIGURED = f"""
GRIDMANAGER_MAX_SUBMITTED_JOBS_PER_RESOURCE_EC2 = 1000
GRIDMANAGER.GRIDMANAGER_MAX_SUBMITTED_JOBS_PER_RESOURCE_EC2 = 3
MAX_JOBS_PER_OWNER = 8
MAX_JOBS_PER_SUBMISSION = 4
EC2_GAHP = /usr/sbin/no_such_gahp
EC2_GAHP.EC2_GAHP_DEBUG = D_PID D_FULLDEBUG
system_periodic_hold = JobUniverse == 9 && time() - QDate > 60
SYSTEM_PERIODIC_HOLD_NAMES = Far Never
SYSTEM_PERIODIC_HOLD_Far = JobStatus == 2 && time() - JobCurrentStartDate > 7200
SYSTEM_PERIODIC_HOLD_Never = ImageSize > 999999999
SYSTEM_PERIODIC_REMOVE = Owner == "{{user}}" && JobStatus == 2
SUBMIT_REQUIREMENT_NAMES = Universe Project Typing Hint
SUBMIT_REQUIREMENT_Universe = JobUniverse > 0
SUBMIT_REQUIREMENT_Project = ProjectName =!= undefined
SUBMIT_REQUIREMENT_Project_REASON = strcat("no project at ", MY.Name)
SUBMIT_REQUIREMENT_Typing = NoSuchAttribute > 3
SUBMIT_REQUIREMENT_Hint = false
SUBMIT_REQUIREMENT_Hint_IS_WARNING = true
NEGOTIATOR.NEGOTIATOR_INTERVAL = 600
DAEMON_LIST = $(DAEMON_LIST) DEFRAG
DEFRAG_DRAINING_MACHINES_PER_HOUR = 10
DEFRAG_SCHEDULE = quick
ALLOW_ADMINISTRATOR = condor@{DOMAIN}
ALLOW_ADVERTISE_MASTER = somebody@{DOMAIN}
SEC_ISSUED_TOKEN_EXPIRATION = 600
"""


BOUNDED = {"batchsubmit.condorec2.maxinstances": 20}
"""Key without which `apf check` warns."""


def checked(factory: Factory, *arguments: str) -> subprocess.CompletedProcess[str]:
    return factory.run("check", *arguments)


@pytest.fixture
def misconfigured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    directory = tmp_path_factory.mktemp("misconfigured")
    pool = Pool(directory, _MISCONFIGURED.format(user=Pool(directory).user.split("@", maxsplit=1)[0]))
    with pool:
        yield pool


def test_in_a_good_pool_shows_only_what_each_queue_would_do(pool: Pool, cloud: CloudProcess, tmp_path: Path) -> None:
    queues = {QUEUE: ec2_queue(cloud, "check", **BOUNDED), "OFF": ec2_queue(cloud, "off", enabled=False)}
    factory = Factory(tmp_path, pool, "check", queues)
    Work(factory).submit(3)
    result = checked(factory)
    assert result.stdout.splitlines() == [
        "",
        "CLOUD  submit 3",
        "  Ready       0 → 3  3 ready, 0 pending",
        "  MaxToRun    3 → 3  room for 10 of 10",
        "  RetireIdle  3 → 3  no VM retires while the chain adds 3",
        "  → submit           3 × ami-12c6146b/t2.small/*/on-demand: 3 of 3 asked for",
        "",
        "good: 1 queue, 1 disabled",
    ]
    assert result.returncode == 0
    assert factory.vm_jobs() == []
    assert not factory.state.exists()
    pool.run("condor_rm", "-constraint", 'MATCH_APF_QUEUE == "check"')


def test_finds_pool_settings_that_harm_vms(misconfigured: Pool, cloud: CloudProcess, tmp_path: Path) -> None:
    keys = {"batchsubmit.condorec2.lease": "1d", "batchsubmit.condorec2.idle": "20m"}
    factory = Factory(tmp_path, misconfigured, "check", {QUEUE: ec2_queue(cloud, "check", **keys)})
    result = checked(factory)
    output = result.stdout
    assert result.returncode == 1, result
    for words in (
        "GRIDMANAGER_MAX_SUBMITTED_JOBS_PER_RESOURCE_EC2 is 3, but [CLOUD] may have more than 3 VMs",
        "MAX_JOBS_PER_OWNER is 8, but the queues together may have more",
        "may submit more jobs at once than MAX_JOBS_PER_SUBMISSION = 4",
        "EC2_GAHP = /usr/sbin/no_such_gahp is not an executable file",
        "EC2_GAHP_DEBUG = D_PID D_FULLDEBUG: ec2_gahp logs user-data",
        "SYSTEM_PERIODIC_HOLD = JobUniverse == 9 && time() - QDate > 60 would hold a VM job that waits",
        "warning: SYSTEM_PERIODIC_HOLD_FAR",
        "would remove a VM job whose instance has run for an hour",
        "is false for a VM job (no project at test@pool)",
        "SUBMIT_REQUIREMENT_Typing = NoSuchAttribute > 3 is neither true nor false for a VM job",
        "condor_defrag would drain the factory's VMs and kill their jobs (DEFRAG_SCHEDULE = quick)",
        "the negotiator needs up to 1800 s",
        f"a VM's token ({misconfigured.user}) is not allowed ADVERTISE_MASTER",
        f"this account ({misconfigured.user}) is not allowed ADMINISTRATOR",
        "a token for VMs is valid for 600 s, but a lease may last 86400 s",
    ):
        assert words.lower() in output.lower(), f"{words!r} not in\n{output}"
    for words in ("_Never", "_Hint", "_Universe", "ADVERTISE_STARTD", "not allowed READ"):
        assert words.lower() not in output.lower(), f"{words!r} in\n{output}"


def test_unreachable_pool_is_reported_as_not_checked(pool: Pool, cloud: CloudProcess, tmp_path: Path) -> None:
    factory = Factory(tmp_path, pool, "check", {QUEUE: ec2_queue(cloud, "check", **BOUNDED)})
    factory.settings["pool"] = "127.0.0.1:1"
    result = checked(factory)
    assert result.returncode == 0, result
    assert "not checked: authorization" in result.stdout
    assert "CLOUD  blocked" in result.stdout
    offline = checked(factory, "--offline")
    assert (offline.returncode, offline.stdout) == (0, "good: 1 queue\n")


def test_tries_submit_descriptions_with_a_dry_run(pool: Pool, cloud: CloudProcess, tmp_path: Path) -> None:
    wrong = ec2_queue(cloud, "check", **{"batchsubmit.condorec2.condor_attributes.MY.Note": '"unfinished'})
    broken = ec2_queue(cloud, "check3", **{"batchsubmit.condorec2.condor_attributes": "periodic_hold = Foo("})
    odd = ec2_queue(cloud, "check2", **{"batchsubmit.condorec2.condor_attributes.on_exit_remoev": "true"})
    factory = Factory(tmp_path, pool, "check", {"WRONG": wrong, "BROKEN": broken, "ODD": odd})
    result = checked(factory, "--offline")
    assert result.returncode == 1
    assert "[WRONG] condor_submit refuses the submit description" in result.stdout
    assert "Parse error in expression: PeriodicHold = Foo(" in result.stdout
    assert "[ODD] warning: condor_submit does not know this line" in result.stdout
