"""Whether the schedd's host has ec2_gahp, which talks to the cloud."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from factory.condor.tools.config_val import DaemonConfig
from factory.config.queues import Queue
from factory.plugin.finding import Finding
from factory.settings.factory import FactorySettings


def check_gahp(queues: Sequence[Queue], factory: FactorySettings, schedd: DaemonConfig) -> Iterator[Finding]:
    """``EC2_GAHP`` of the schedd names a program; the file is looked at where schedd and factory share a host."""
    if all(queue.batchsubmit.machines() is None for queue in queues):
        return
    path = schedd.get("EC2_GAHP")
    if path is None:
        text = (
            "EC2_GAHP is not defined, so every VM job is held; install HTCondor's ec2_gahp and set EC2_GAHP to its path"
        )
        yield Finding("error", text, daemon=schedd.daemon)
    elif factory.schedd is None and not os.access(path, os.X_OK):
        text = f"EC2_GAHP = {path} is no program that can be run, so every VM job is held; install HTCondor's ec2_gahp"
        yield Finding("error", text, daemon=schedd.daemon)
    elif factory.schedd is not None and not os.access(path, os.X_OK):
        text = f"EC2_GAHP = {path}: not on this host; it must be on that of the schedd"
        yield Finding("unchecked", text, daemon=schedd.daemon)
