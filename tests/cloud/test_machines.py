"""The machines of the local cloud: their processes, and that all of these end."""

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


def make_cloud(tmp_path_factory: pytest.TempPathFactory) -> CloudProcess:
    return CloudProcess(tmp_path_factory.mktemp("machines"), boot_delay_s=0.1, shutdown_delay_s=0.1)


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    with make_cloud(tmp_path_factory) as running:
        yield running


@pytest.fixture
def doomed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    """A cloud that the test ends."""
    with make_cloud(tmp_path_factory) as running:
        yield running


def launch(cloud: CloudProcess, document: str, **parameters: Any) -> str:
    reply = cloud.client().run_instances(**(LAUNCH | {"UserData": document} | parameters))
    return str(reply["Instances"][0]["InstanceId"])


def processes(directory: Path) -> dict[int, str]:
    """Return the processes of a machine, whose environment names its directory, by pid."""
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
    """Start a machine and a job on it that leaves its session; return instance id, cluster and the job's pid."""
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


def test_terminating_an_instance_ends_its_jobs(pool: Pool, mine: CloudProcess) -> None:
    instance_id, job, pid = running_job(pool, mine)
    assert alive(pid)
    mine.client().terminate_instances(InstanceIds=[instance_id])
    mine.wait(lambda machines: machines[instance_id]["state"] == "terminated", "terminated")
    assert not alive(pid)
    assert processes(mine.directory / "instances" / instance_id) == {}
    pool.run("condor_rm", str(job))


def test_killing_the_cloud_kills_its_machines(pool: Pool, doomed: CloudProcess) -> None:
    instance_id, job, pid = running_job(pool, doomed)
    root = doomed.directory / "instances" / instance_id
    assert {"condor_master", "condor_startd"} <= set(processes(root).values())
    doomed.kill()
    until(lambda: not alive(pid) and not processes(root), "everything of it is gone", 10)
    pool.run("condor_rm", str(job))


def test_stopping_the_cloud_ends_its_machines(pool: Pool, doomed: CloudProcess) -> None:
    instance_id = launch(doomed, user_data(pool))
    root = doomed.directory / "instances" / instance_id
    until(lambda: "condor_startd" in processes(root).values(), "its startd runs")
    doomed.stop()
    assert processes(root) == {}


def test_power_state_timer_powers_the_machine_off(pool: Pool, mine: CloudProcess) -> None:
    document = user_data(pool) + "power_state: {mode: poweroff, delay: now}\n"
    stops = launch(mine, document)
    ends = launch(mine, document, InstanceInitiatedShutdownBehavior="terminate")
    mine.wait(lambda machines: machines[ends]["state"] == "terminated", "terminated")
    assert mine.instances()[ends]["reason"] == "Client.InstanceInitiatedShutdown"
    mine.wait(lambda machines: machines[stops]["state"] == "stopped", "stopped")


def test_machine_shuts_down_when_its_master_ends(pool: Pool, mine: CloudProcess) -> None:
    instance_id = launch(mine, user_data(pool), InstanceInitiatedShutdownBehavior="terminate")
    until(lambda: pool.slots(f'EC2InstanceID == "{instance_id}"'), "joined")
    os.kill(mine.instances()[instance_id]["pid"], signal.SIGQUIT)
    mine.wait(lambda machines: machines[instance_id]["state"] == "terminated", "terminated")


def test_crashed_machine_still_shows_as_running(pool: Pool, mine: CloudProcess) -> None:
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


def test_machine_with_an_invalid_htcondor_config_runs_without_joining(mine: CloudProcess) -> None:
    document = "#cloud-config\nwrite_files:\n- path: /etc/condor/config.d/50\n  content: use nonsense:here\n"
    instance_id = launch(mine, document)
    root = mine.directory / "instances" / instance_id
    until((root / "console.log").exists, "booted")
    until(lambda: "condor_master failed" in (root / "console.log").read_text(), "the console shows the error")
    assert mine.instances()[instance_id]["state"] == "running"


def test_only_the_owner_can_read_secrets(pool: Pool, mine: CloudProcess) -> None:
    instance_id = launch(mine, user_data(pool))
    token = mine.directory / "instances" / instance_id / "etc/condor/tokens.d/vm"
    until(token.exists, "the token is written")
    assert token.stat().st_mode & 0o777 == 0o600
    assert token.read_text().strip() not in mine.log.read_text()
    assert mine.secret_key_file.stat().st_mode & 0o777 == 0o600
