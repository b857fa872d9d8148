"""Configuration of the gridmanager, which no daemon reports: it is read from this host's files."""

from __future__ import annotations

from dataclasses import replace

from factory.condor.tools.config_val import DaemonConfig
from factory.condor.tools.run import ToolFailed, run_tool

_NAMES = (
    "GRIDMANAGER_MAX_SUBMITTED_JOBS_PER_RESOURCE_EC2",
    "GRIDMANAGER_MAX_SUBMITTED_JOBS_PER_RESOURCE",
    "EC2_GAHP_DEBUG",
)


def gridmanager_config(schedd: DaemonConfig) -> DaemonConfig:
    """Replace values of the schedd by the gridmanager's, where this host's files and the schedd agree.

    ``GRIDMANAGER.NAME = …`` and ``EC2_GAHP.NAME = …`` apply to those programs only. If files and schedd differ, the
    schedd runs elsewhere or is not reconfigured, and only its own value is known.

    Raises:
        ToolError: condor_config_val is missing or hangs.
    """
    values = dict(schedd.values)
    for name in _NAMES:
        subsystem = "EC2_GAHP" if name.startswith("EC2_GAHP") else "GRIDMANAGER"
        if _local("SCHEDD", name) == schedd.values.get(name):
            local = _local(subsystem, name)
            values.pop(name, None)
            values |= {} if local is None else {name: local}
    return replace(schedd, values=values)


def _local(subsystem: str, name: str) -> str | None:
    try:
        return run_tool(["condor_config_val", "-subsystem", subsystem, name], 10).strip() or None
    except ToolFailed:
        return None
