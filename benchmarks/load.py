"""Load of the benchmark pool: groups of idle jobs, slot ads, and VM jobs that never start."""

from __future__ import annotations

import itertools
import os
import random
import time
from pathlib import Path
from typing import Any

from localcloud.pool import Pool
from localcloud.wait import until

FACTORY = "bench"
QUEUE = "CLOUD"
TYPES = ("m5.large", "m5.xlarge", "m5.2xlarge")

_CONFIG = """
MAX_JOBS_PER_OWNER = 1000000
MAX_JOBS_PER_SUBMISSION = 1000000
MAX_JOBS_RUNNING = 1000000
NEGOTIATOR_INTERVAL = 5
ALLOW_ADVERTISE_STARTD = *
CONDOR_FSYNC = False
CLASSAD_LIFETIME = 100000
GRIDMANAGER = {gridmanager}
"""

_numbers = itertools.count()


def start_pool(directory: Path) -> Pool:
    """Start a pool with a gridmanager that does nothing, so that VM jobs stay idle at no cost."""
    directory.mkdir(parents=True)
    gridmanager = directory / "gridmanager"
    gridmanager.write_text("#!/bin/sh\nexec sleep 100000\n")
    gridmanager.chmod(0o755)
    pool = Pool(directory / "pool", _CONFIG.format(gridmanager=gridmanager))
    pool.start()
    os.environ["CONDOR_CONFIG"] = pool.env["CONDOR_CONFIG"]
    import htcondor2

    htcondor2.reload_config()
    return pool


def submit_jobs(groups: int, count: int) -> None:
    """Submit idle jobs, one cluster with its own request for each group; every fourth group has Requirements too."""
    import htcondor2

    schedd = htcondor2.Schedd()
    for i in range(groups):
        number = count // groups + (i < count % groups)
        chance = random.Random(i)
        requirements = f"requirements = TARGET.HasRelease{i} =!= false\n" if i % 4 == 0 else ""
        job = htcondor2.Submit(
            f"executable = /bin/true\nrequest_cpus = {chance.choice((1, 1, 2, 3, 4, 8))}\n"
            f"request_memory = {chance.randint(500, 15_000)}\nrequest_disk = {1000 + i}\n" + requirements
        )
        schedd.submit(job, count=number)


def submit_vm_jobs(count: int, userdata: Path) -> None:
    """Submit VM jobs as the factory does; they wait for a cloud."""
    import htcondor2

    lines = [
        "universe = grid", "grid_resource = ec2 http://ec2.us-east-1.localhost:1/", "executable = vm",
        "ec2_access_key_id = /dev/null", "ec2_secret_access_key = /dev/null", "ec2_ami_id = ami-12345678",
        f"ec2_instance_type = {TYPES[0]}", f"ec2_user_data_file = {userdata}", 'My.APFVM = "vm-$(Cluster)-$(Process)"',
        f'My.APFFactory = "{FACTORY}"', f'My.APF_QUEUE = "{QUEUE}"', f"My.APFLeaseEnd = {int(time.time()) + 90_000}",
        f'My.APFShape = "ami-12345678/{TYPES[0]}/*/on-demand"', 'My.APFIncarnation = "1000 host 1"',
    ]  # fmt: skip
    htcondor2.Schedd().submit(htcondor2.Submit("\n".join(lines) + "\n"), count=count)


def advertise_slots(count: int, room: float) -> None:
    """Advertise slots: four of ten are partitionable, six dynamic. Of the partitionable ones a part ``room`` has room.

    With ``room`` 1 all slots are partitionable.
    """
    import classad2
    import htcondor2

    chance = random.Random(7)
    ads = []
    for _ in range(count):
        i = next(_numbers)
        dynamic = room < 1 and i % 10 >= 4
        roomy = not dynamic and chance.random() < room
        ad: Any = classad2.ClassAd(
            {
                "MyType": "Machine", "Machine": f"host{i // 10}", "Arch": "X86_64", "OpSys": "LINUX",
                "Name": f"slot1@host{i}", "MyAddress": f"<127.0.0.1:9?sock={i}>", "FileSystemDomain": "elsewhere",
                "StartdIpAddr": f"<127.0.0.1:9?sock={i}>", "HasFileTransfer": True, "WithinResourceLimits": True,
                "SlotType": "Dynamic" if dynamic else "Partitionable", "PartitionableSlot": not dynamic,
                "State": "Claimed" if dynamic else "Unclaimed", "Activity": "Busy" if dynamic else "Idle",
                "Cpus": chance.randint(1, 8) if roomy or dynamic else 0, "TotalSlotCpus": 8,
                "Memory": chance.randint(1, 16) * 1000, "TotalSlotMemory": 16_000,
                "Disk": 10_000_000, "TotalSlotDisk": 20_000_000, "NumDynamicSlots": 0 if dynamic else 6,
                **{f"Attribute{n}": n for n in range(100)},
            }
        )  # fmt: skip
        ad["Start"], ad["Requirements"] = classad2.ExprTree("true"), classad2.ExprTree("START && WithinResourceLimits")
        ads.append(ad)
    htcondor2.Collector().advertise(ads, "UPDATE_STARTD_AD", True)


def wait_for_autoclusters(pool: Pool, timeout_s: float = 120) -> None:
    """Wait until every job was negotiated for; then stop the negotiator, so that only queries are measured."""
    import htcondor2

    def late() -> list[Any]:
        return list(
            htcondor2.Schedd().query(
                constraint="AutoClusterId =?= undefined && JobUniverse == 5", projection=["ClusterId"], limit=1
            )
        )

    until(lambda: not late(), "all jobs have an autocluster", timeout_s, 1)
    pool.run("condor_off", "-daemon", "negotiator")
