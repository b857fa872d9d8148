"""A pool with machines of its own, for pilots; two of them make a site and a compute element."""

from pathlib import Path

from tests.rig.pool import Pool

_STARTD = """\
DAEMON_LIST = $(DAEMON_LIST), STARTD
STARTD_NAME = {name}
NUM_CPUS = {cores}
MEMORY = {memory_mb}
NUM_SLOTS_TYPE_1 = 1
SLOT_TYPE_1 = 100%
SLOT_TYPE_1_PARTITIONABLE = True
START = True
RUNBENCHMARKS = False
# Grid type condor, in a hurry.
C_GAHP_CONTACT_SCHEDD_DELAY = 1
GRIDMANAGER_JOB_PROBE_INTERVAL = 2
"""


def site(directory: Path, name: str, cores: int = 2) -> Pool:
    """A pool with one machine; ``name`` is that of its schedd."""
    return Pool(directory, _STARTD.format(name=f"startd.{name}", cores=cores, memory_mb=1000 * cores), name)
