"""Requirements that depend on the free part of a machine."""

import pytest

from factory.condor.collector.partial_slots import depends_on_free_room

OF_23 = (
    '(TARGET.Arch == "X86_64") && (TARGET.OpSys == "LINUX") && (TARGET.Disk >= RequestDisk) && '
    "(TARGET.Memory >= RequestMemory) && (TARGET.Cpus >= RequestCpus) && (TARGET.HasFileTransfer)"
)
OF_25 = (
    '(TARGET.Arch == "X86_64") && TARGET.HasContainer && TARGET.HasSIF && '
    '(versionGE(split(TARGET.CondorVersion)[1],"25.12.0") || (TARGET.Disk >= RequestDisk)) && '
    "(TARGET.Memory >= RequestMemory) && (countMatches(MY.RequireGPUs,TARGET.AvailableGPUs) >= RequestGPUs)"
)


@pytest.mark.parametrize(
    ("requirements", "depends"),
    [
        ("true", False),
        (OF_23, False),
        (OF_25, False),
        ("memory >= my.requestmemory && GPUs >= RequestGPUs", False),
        ("TARGET.TotalSlotMemory > 4000 && TARGET.TotalCpus > 8 && MY.DiskUsage < 5 && MY.Memory > 1", False),
        (f"TARGET.Memory > 4000 && {OF_23}", True),
        (f"{OF_23} && (target.cpus > 4 || TARGET.HasFastDisk)", True),
        ("TARGET.Memory >= RequestMemory * 2 && Disk > 9", True),
        ("TARGET.Memory >= RequestMemoryMax", True),
    ],
)
def test_finds_requirements_that_depend_on_free_room(requirements: str, depends: bool) -> None:
    assert depends_on_free_room(requirements) is depends
