"""Hardware: what an instance type has, whatever the host has."""

from dataclasses import dataclass

from moto.ec2.models.instance_types import INSTANCE_TYPES


class UnknownInstanceType(ValueError):
    """No such instance type."""


@dataclass(frozen=True)
class Hardware:
    """The size of a machine."""

    cpus: int
    memory_mb: int
    gpus: int
    disk_gb: int
    """Instance store; EBS volumes come on top."""


def hardware(instance_type: str) -> Hardware:
    """The size of an instance type, from the descriptions of EC2's types that moto carries.

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
