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
"""Of the nominal memory a startd has what the kernel shows it (DETECTED_MEMORY) without RESERVED_MEMORY, 0 by default.

Firmware and kernel take 2 to 6 %, of a small machine more, so 93 % without 64 MiB is counted on. Rather too little: a
job that would only just fit is not bought for until a real machine of the shape was seen.
"""


@cache
def _table() -> Mapping[str, tuple[int, int, int]]:
    text = (files(__package__) / "instance_types.json").read_text(encoding="utf-8")
    return {name: (row[0], row[1], row[2]) for name, row in json.loads(text).items()}


def room(instance_type: str, disk_gb: float, size: tuple[int, int, int] | None = None) -> Room | None:
    """What a startd on this type, or on one of this size, has for jobs; None: the type is not in the table."""
    row = size or _table().get(instance_type)
    if row is None:
        return None
    cpus, memory_mb, gpus = row
    return Room(cpus, max(0, int(_MEMORY_PART * memory_mb) - _MEMORY_KEPT_MB), disk_gb * 1024 * 1024, gpus)


def sizes(described: Iterable[Mapping[str, Any]]) -> dict[str, tuple[int, int, int]]:
    """Cores, memory in MiB and GPUs by type, from what DescribeInstanceTypes answers."""
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
