"""Check that the schedd's host has ec2_gahp, through which HTCondor talks to the cloud."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from factory.condor.tools.config_val import DaemonConfig
from factory.config.queues import Queue
from factory.plugin.finding import Finding
from factory.settings.factory import FactorySettings


def check_gahp(queues: Sequence[Queue], factory: FactorySettings, schedd: DaemonConfig) -> Iterator[Finding]:
    """Check ``EC2_GAHP`` of the schedd. The file itself is checked only if the schedd is on this host."""
    if all(queue.batchsubmit.machines() is None for queue in queues):
        return
    path = schedd.get("EC2_GAHP")
    if path is None:
        text = (
            "EC2_GAHP is not defined, so every VM job is held; install HTCondor's ec2_gahp and set "
            "EC2_GAHP = $(SBIN)/ec2_gahp"
        )
        yield Finding("error", text, daemon=schedd.daemon)
    elif factory.schedd is None and not os.access(path, os.X_OK):
        text = f"EC2_GAHP = {path} is not an executable file, so every VM job is held; install HTCondor's ec2_gahp"
        yield Finding("error", text, daemon=schedd.daemon)
    elif factory.schedd is not None and not os.access(path, os.X_OK):
        text = (
            f"EC2_GAHP = {path} can't be checked from this host; make sure that it is executable on the schedd's host"
        )
        yield Finding("unchecked", text, daemon=schedd.daemon)
