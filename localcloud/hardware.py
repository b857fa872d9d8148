"""Hardware of an instance type: cores, memory, disk and GPUs."""

from dataclasses import dataclass

from moto.ec2.models.instance_types import INSTANCE_TYPES


class UnknownInstanceType(ValueError):
    """The instance type does not exist."""


@dataclass(frozen=True)
class Hardware:
    """The size of a machine."""

    cpus: int
    memory_mb: int
    gpus: int
    disk_gb: int
    """Instance store, without EBS volumes."""


def hardware(instance_type: str) -> Hardware:
    """Return the size of an instance type, from moto's descriptions of EC2's types.

    Raises UnknownInstanceType.
    """
    described = INSTANCE_TYPES.get(instance_type)
    if described is None:
        raise UnknownInstanceType(instance_type)
    return Hardware(
        cpus=described["VCpuInfo"]["DefaultVCpus"],
        memory_mb=described["MemoryInfo"]["SizeInMiB"],
        gpus=sum(gpu["Count"] for gpu in (described.get("GpuInfo") or {}).get("Gpus", ())),
        disk_gb=(described.get("InstanceStorageInfo") or {}).get("TotalSizeInGB", 0),
    )
