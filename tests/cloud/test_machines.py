"""The machines of the local cloud: what they run, and that nothing of them is left behind."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.process import CloudProcess
from tests.rig.pool import Pool
from tests.rig.vm import submit_sleep, user_data
from tests.rig.wait import until

LAUNCH = {"ImageId": "ami-12345678", "InstanceType": "m5.large", "MinCount": 1, "MaxCount": 1}


def a_cloud(tmp_path_factory: pytest.TempPathFactory) -> CloudProcess:
    return CloudProcess(tmp_path_factory.mktemp("machines"), boot_delay_s=0.1, shutdown_delay_s=0.1)


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    with a_cloud(tmp_path_factory) as running:
        yield running


@pytest.fixture
def doomed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    """A cloud that the test ends."""
    with a_cloud(tmp_path_factory) as running:
        yield running


def launch(cloud: CloudProcess, document: str, **parameters: Any) -> str:
    reply = cloud.client().run_instances(**(LAUNCH | {"UserData": document} | parameters))
    return str(reply["Instances"][0]["InstanceId"])


def processes(directory: Path) -> dict[int, str]:
    """Processes that belong to a machine: its CONDOR_CONFIG or its directories are in their environment."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if str(directory).encode() in (entry / "environ").read_bytes():
                    found[int(entry.name)] = (entry / "comm").read_text().strip()
            except OSError:
                continue
    return found


def alive(pid: int) -> bool:
    try:
        return "(zombie)" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def running_job(pool: Pool, cloud: CloudProcess) -> tuple[str, int, int]:
    """A machine whose startd runs a job, whose job has moved to a session of its own: id, cluster, the job's pid."""
    instance_id = launch(cloud, user_data(pool, "START = TARGET.OnlyHere =?= EC2InstanceID"))
    pid_file = cloud.directory / "job.pid"
    commands: dict[str, Any] = {
        "executable": "/bin/sh",
        "arguments": f"""\"-c 'setsid sh -c ""echo $$ >{pid_file}; exec sleep 600""'\"""",
        "requirements": f'EC2InstanceID =?= "{instance_id}"',
        "My.OnlyHere": f'"{instance_id}"',
    }
    job = submit_sleep(pool, **commands)
    until(lambda: pid_file.exists() and pid_file.read_text().strip(), "the job runs", 40)
    return instance_id, job, int(pid_file.read_text())


def test_terminating_a_machine_ends_its_jobs_too(pool: Pool, mine: CloudProcess) -> None:
    instance_id, job, pid = running_job(pool, mine)
    assert alive(pid)
    mine.client().terminate_instances(InstanceIds=[instance_id])
    mine.wait(lambda machines: machines[instance_id]["state"] == "terminated", "terminated")
    assert not alive(pid)
    assert processes(mine.directory / "instances" / instance_id) == {}
    pool.run("condor_rm", str(job))


def test_no_machine_survives_a_cloud_that_is_killed(pool: Pool, doomed: CloudProcess) -> None:
    instance_id, job, pid = running_job(pool, doomed)
    root = doomed.directory / "instances" / instance_id
    assert {"condor_master", "condor_startd"} <= set(processes(root).values())
    doomed.kill()
    until(lambda: not alive(pid) and not processes(root), "everything of it is gone", 10)
    pool.run("condor_rm", str(job))


def test_no_machine_survives_a_cloud_that_stops(pool: Pool, doomed: CloudProcess) -> None:
    instance_id = launch(doomed, user_data(pool))
    root = doomed.directory / "instances" / instance_id
    until(lambda: "condor_startd" in processes(root).values(), "its startd runs")
    doomed.stop()
    assert processes(root) == {}


def test_a_timer_powers_the_machine_off(pool: Pool, mine: CloudProcess) -> None:
    document = user_data(pool) + "power_state: {mode: poweroff, delay: now}\n"
    stops = launch(mine, document)
    ends = launch(mine, document, InstanceInitiatedShutdownBehavior="terminate")
    mine.wait(lambda machines: machines[ends]["state"] == "terminated", "terminated")
    assert mine.instances()[ends]["reason"] == "Client.InstanceInitiatedShutdown"
    mine.wait(lambda machines: machines[stops]["state"] == "stopped", "stopped")


def test_a_machine_whose_master_dies_shuts_down(pool: Pool, mine: CloudProcess) -> None:
    instance_id = launch(mine, user_data(pool), InstanceInitiatedShutdownBehavior="terminate")
    until(lambda: pool.slots(f'EC2InstanceID == "{instance_id}"'), "joined")
    os.kill(mine.instances()[instance_id]["pid"], signal.SIGQUIT)
    mine.wait(lambda machines: machines[instance_id]["state"] == "terminated", "terminated")


def test_a_machine_that_crashed_looks_as_if_it_ran(pool: Pool, mine: CloudProcess) -> None:
    instance_id = launch(mine, user_data(pool, "START = False"))
    until(lambda: pool.slots(f'EC2InstanceID == "{instance_id}"'), "joined")
    mine.crash(instance_id)
    until(lambda: not processes(mine.directory / "instances" / instance_id), "nothing of it runs")
    assert (
        mine.client().describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]["State"]["Name"]
        == "running"
    )
    assert pool.slots(f'EC2InstanceID == "{instance_id}"')
    mine.client().terminate_instances(InstanceIds=[instance_id])
    mine.wait(lambda machines: machines[instance_id]["state"] == "terminated", "terminated")


def test_a_configuration_that_htcondor_refuses_leaves_a_machine_that_never_joins(mine: CloudProcess) -> None:
    document = "#cloud-config\nwrite_files:\n- path: /etc/condor/config.d/50\n  content: use nonsense:here\n"
    instance_id = launch(mine, document)
    root = mine.directory / "instances" / instance_id
    until((root / "console.log").exists, "booted")
    until(lambda: "condor_master failed" in (root / "console.log").read_text(), "the console tells")
    assert mine.instances()[instance_id]["state"] == "running"


def test_secrets_are_readable_by_the_owner_alone(pool: Pool, mine: CloudProcess) -> None:
    instance_id = launch(mine, user_data(pool))
    token = mine.directory / "instances" / instance_id / "etc/condor/tokens.d/vm"
    until(token.exists, "the token is written")
    assert token.stat().st_mode & 0o777 == 0o600
    assert token.read_text().strip() not in mine.log.read_text()
    assert mine.secret_key_file.stat().st_mode & 0o777 == 0o600
