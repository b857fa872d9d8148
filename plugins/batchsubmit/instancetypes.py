"""Sizes of instance types, and the script that asks a cloud for them.

    python -m plugins.batchsubmit.instancetypes --region us-east-1 > plugins/batchsubmit/instance_types.json

refreshes the table that is shipped: one line for each type, with cores, memory in MiB and GPUs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from factory.plugin import Room

_MEMORY_PART = 0.93
_MEMORY_KEPT_MB = 64
"""Memory of a startd: DETECTED_MEMORY without RESERVED_MEMORY (0 by default), both less than the nominal memory.

Firmware and kernel take 2 to 6 %, and more on a small machine, so 93 % less 64 MiB is expected. The estimate is low: no
VM is bought for a job that would only just fit, until a real machine of the shape was seen.
"""


@cache
def _table() -> Mapping[str, tuple[int, int, int]]:
    text = (files(__package__) / "instance_types.json").read_text(encoding="utf-8")
    return {name: (row[0], row[1], row[2]) for name, row in json.loads(text).items()}


def room(instance_type: str, disk_gb: float, size: tuple[int, int, int] | None = None) -> Room | None:
    """Return the resources of a startd on this type, or of this size; None: the type is not in the table."""
    row = size or _table().get(instance_type)
    if row is None:
        return None
    cpus, memory_mb, gpus = row
    return Room(cpus, max(0, int(_MEMORY_PART * memory_mb) - _MEMORY_KEPT_MB), disk_gb * 1024 * 1024, gpus)


def sizes(described: Iterable[Mapping[str, Any]]) -> dict[str, tuple[int, int, int]]:
    """Return cores, memory in MiB and GPUs by type, from answers of DescribeInstanceTypes."""
    found = {}
    for one in described:
        gpus = sum(int(gpu.get("Count", 0)) for gpu in (one.get("GpuInfo") or {}).get("Gpus", ()))
        found[one["InstanceType"]] = (one["VCpuInfo"]["DefaultVCpus"], one["MemoryInfo"]["SizeInMiB"], gpus)
    return dict(sorted(found.items()))


def main(arguments: list[str] | None = None) -> None:
    """Write the table of a region to standard output."""
    parser = argparse.ArgumentParser(description="Sizes of EC2 instance types as a table for the factory.")
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--endpoint", help="URL of another EC2 endpoint")
    options = parser.parse_args(arguments)
    import boto3

    client = boto3.client("ec2", region_name=options.region, endpoint_url=options.endpoint)
    pages = client.get_paginator("describe_instance_types").paginate()
    table = sizes(one for page in pages for one in page["InstanceTypes"])
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in table.items())
    sys.stdout.write(f"{{\n{rows}\n}}\n")


if __name__ == "__main__":
    main()
