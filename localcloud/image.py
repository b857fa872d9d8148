"""The machine image: directories, and the HTCondor configuration of image and hardware.

It names no pool. Pool address, token, names, attributes, timers and policy come only from user-data. User-data finds
the package's usual directories under the instance's root: ``/etc/condor/config.d``, ``/etc/condor/tokens.d`` and
``/etc/condor/passwords.d``.
"""

from collections.abc import Mapping
from pathlib import Path

from localcloud.hardware import Hardware

CONFIG = "etc/condor/condor_config"

_DIRECTORIES = {
    "etc/condor/config.d": 0o755,
    "etc/condor/tokens.d": 0o700,
    "etc/condor/passwords.d": 0o700,
    "var/log/condor": 0o755,
    "var/lock/condor": 0o755,
    "var/run/condor": 0o755,
    "var/spool/condor": 0o755,
    "var/lib/condor/execute": 0o755,
    "var/lib/cloud": 0o700,
    "tmp": 0o700,
}

_CONFIG = """\
# Written by the local cloud: settings of this machine's image and hardware.
{parts}
LOCAL_DIR = {root}/var
LOCAL_CONFIG_FILE =
LOCAL_CONFIG_DIR = {root}/etc/condor/config.d
ETC = {root}/etc/condor
LOG = $(LOCAL_DIR)/log/condor
LOCK = $(LOCAL_DIR)/lock/condor
RUN = $(LOCAL_DIR)/run/condor
SPOOL = $(LOCAL_DIR)/spool/condor
EXECUTE = $(LOCAL_DIR)/lib/condor/execute
SEC_TOKEN_DIRECTORY = {root}/etc/condor/tokens.d
SEC_TOKEN_SYSTEM_DIRECTORY = {root}/etc/condor/tokens.d
SEC_PASSWORD_DIRECTORY = {root}/etc/condor/passwords.d
use security:recommended_v9_0
DAEMON_LIST = MASTER, STARTD

# The machine
NETWORK_INTERFACE = 127.0.0.1
NETWORK_HOSTNAME = {hostname}
NUM_CPUS = {cpus}
MEMORY = {memory_mb}
DISK = {disk_kb}
{gpus}
# Many machines share one host, so daemons on the loopback do not all belong to one family.
SEC_USE_FAMILY_SESSION = False
# Keep each machine small: no benchmarks, no shared port daemon, no procd.
RUNBENCHMARKS = False
BENCHMARKS_JOBLIST =
USE_SHARED_PORT = False
USE_PROCD = False
"""


def lay_out(root: Path) -> None:
    """Create the directories of a machine; keep their content at a second boot."""
    for name, mode in _DIRECTORIES.items():
        directory = root / name
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(mode)


def condor_config(root: Path, hostname: str, size: Hardware, disk_gb: int, parts: Mapping[str, str]) -> str:
    """Return the image's condor_config for a machine of this size.

    ``disk_gb`` is instance store plus volumes; ``parts`` locates the installation (``installed_parts()``).
    """
    gpus = ", ".join(f"GPU-{number:08x}" for number in range(size.gpus))
    return _CONFIG.format(
        root=root,
        hostname=hostname,
        cpus=size.cpus,
        memory_mb=size.memory_mb,
        disk_kb=disk_gb * 1024 * 1024,
        gpus=f"MACHINE_RESOURCE_GPUs = {gpus}\n" if gpus else "",
        parts="\n".join(f"{name} = {path}" for name, path in parts.items()),
    )


def host_path(root: Path, path: str) -> Path:
    """Return the path on this host of an absolute path of the machine; always inside ``root``, even with ``..``."""
    steps: list[str] = []
    for step in path.split("/"):
        if step == "..":
            steps[-1:] = []
        elif step not in ("", "."):
            steps.append(step)
    return root.joinpath(*steps)
