"""VMs submitted by hand: user-data as a factory would write it, and the grid job that carries it."""

import uuid
from pathlib import Path

from localcloud.process import CloudProcess
from tests.rig.pool import DOMAIN, Pool

_USER_DATA = """\
## template: jinja
#cloud-config
write_files:
- path: /etc/condor/tokens.d/vm
  permissions: "0600"
  content: {token}
- path: /etc/condor/config.d/50-vm
  content: |
    COLLECTOR_HOST = {collector}
    CCB_ADDRESS = $(COLLECTOR_HOST)
    UID_DOMAIN = {domain}
    TRUST_DOMAIN = {domain}
    MASTER_NAME = {{{{ v1.instance_id }}}}
    STARTD_NAME = {{{{ v1.instance_id }}}}
    EC2InstanceID = "{{{{ v1.instance_id }}}}"
    STARTD_ATTRS = EC2InstanceID
    MASTER_ATTRS = EC2InstanceID
    NUM_SLOTS_TYPE_1 = 1
    SLOT_TYPE_1 = 100%
    SLOT_TYPE_1_PARTITIONABLE = True
    START = True
    UPDATE_INTERVAL = 5
    MASTER_UPDATE_INTERVAL = 5
    MAXJOBRETIREMENTTIME = 1000000
    MASTER.DAEMON_SHUTDOWN_FAST = (STARTD_StartTime == 0) && ((CurrentTime - DaemonStartTime) > 5)
"""


def user_data(pool: Pool, *config: str, token: str | None = None) -> str:
    """User-data that makes a VM join the pool; ``config`` lines are added to its configuration."""
    text = _USER_DATA.format(token=token or pool.vm_token(), collector=pool.address, domain=DOMAIN)
    return text + "".join(f"    {line}\n" for line in config)


def submit_vm(
    pool: Pool, cloud: CloudProcess, directory: Path, document: str, /, count: int = 1, **commands: object
) -> int:
    """Submit grid jobs that start VMs with this user-data; returns the cluster id."""
    # ec2_gahp reads the file late, so no two submits may share one.
    path = directory / f"user-data-{uuid.uuid4()}"
    path.write_text(document)
    description: dict[str, object] = {
        "universe": "grid",
        "grid_resource": f"ec2 {cloud.url}",
        "executable": "vm",
        "ec2_access_key_id": cloud.access_key_file,
        "ec2_secret_access_key": cloud.secret_key_file,
        "ec2_ami_id": "ami-12345678",
        "ec2_instance_type": "m5.large",
        "ec2_user_data_file": path,
    }
    return pool.submit(description | commands, count)


def submit_sleep(pool: Pool, seconds: int = 1, count: int = 1, **commands: object) -> int:
    """Submit vanilla jobs that sleep; returns the cluster id."""
    description: dict[str, object] = {
        "universe": "vanilla",
        "executable": "/bin/sleep",
        "transfer_executable": "false",
        "should_transfer_files": "yes",
        "arguments": seconds,
        "request_cpus": 1,
        "request_memory": 64,
        "request_disk": 1024,
    }
    return pool.submit(description | commands, count)
