"""Settings of the section `[Factory]`."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from factory.settings.types import CommaList, Duration, Settings, Switch, split_address


def account() -> str:
    """Return the name of the account this process runs as, or its uid if it has no name."""
    try:
        # Not getpass.getuser(): LOGNAME and USER stay when the account changes.
        return pwd.getpwuid(os.geteuid()).pw_name
    except (KeyError, OSError):
        return str(os.getuid())


class FactorySettings(Settings):
    """Section ``[Factory]``."""

    id: str = Field(
        default="apf",
        alias="factoryId",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        json_schema_extra={
            "right": "a letter or digit, followed by up to 63 letters, digits, dots, underscores or hyphens"
        },
    )
    """Name of this factory, recorded on every job and instance it owns. Two factories on one schedd need different
    names."""
    statedir: Path = Path("/var/lib/apf")
    """Directory for the factory's own files, on the schedd's host. The factory creates it with mode 0700."""
    owner: str = Field(default_factory=account, json_schema_extra={"default": "the account apf runs as"})
    """Owner of the jobs the factory submits, and the account apf runs as."""
    schedd: str | None = None
    """Name of the schedd that the factory submits its jobs to; none: the local schedd."""
    pool: str | None = None
    """Collector (host or host:port) of the pool that VMs join; none: COLLECTOR_HOST of this host."""
    admin_email: str | None = Field(default=None, alias="factoryAdminEmail")
    """Address to which HTCondor sends mail about plain jobs."""
    enable_queues: Switch = Field(default=True, alias="enablequeues")
    """False stops every queue, regardless of its own ``enabled``."""
    queue_conf: CommaList = Field(default=(), alias="queueConf")
    """More files with queues, read after the file that contains this key."""
    queue_dir_conf: Path | None = Field(default=None, alias="queueDirConf")
    """Directory with more queues: its ``*.conf`` files are read in the order of their names."""
    base_log_dir: Path | None = Field(default=None, alias="baseLogDir")
    """Directory for output and logs of plain jobs, with one subdirectory per day and queue; none:
    ``<statedir>/<factoryId>/logs``."""
    base_log_dir_url: str | None = Field(default=None, alias="baseLogDirUrl")
    """URL at which a web server publishes ``baseLogDir``."""
    keepdays: int | None = Field(default=None, alias="cleanlogs.keepdays", ge=0)
    """Days to keep output and logs of plain jobs; none or 0: forever."""
    monitor_conf: Path | None = Field(default=None, alias="monitorConf")
    """File with the sections that queues name in ``monitorsection``."""
    max_per_factory: int | None = Field(default=None, alias="maxperfactory.maximum")
    """Cap on pending + running of all queues together, applied by the sched plugin MaxPerFactory; none: no cap."""
    update_interval: Duration = Field(default=300, ge=1)
    """Longest time between two updates of a VM's ads (UPDATE_INTERVAL). Data of a restarted collector count as unknown
    until it has been up for twice this time."""
    maxage: Duration = Field(default=360, ge=1)
    """Maximum age of a reading. An older one counts as unknown, and the queue is blocked."""
    deadline: Duration = Field(default=60, ge=1)
    """Time limit for a query, edit or submit. After it the factory gives up and ends the worker process."""
    command_timeout: Duration = Field(default=20, ge=1)
    """Time limit for a command to a VM (condor_off, condor_on, condor_drain)."""
    job_lease: Duration = Field(default=2400, ge=1)
    """The longest lease of the pool's jobs (JobLeaseDuration). Once a VM is proven empty, a job that names it delays
    its end by at most this time; a VM that is only missing from the pool is kept for longer."""
    orphans: Literal["terminate", "report"] = "terminate"
    """Treatment of instances that have no VM job. ``terminate``: drain those in the pool and terminate the empty ones;
    ``report``: only report them."""
    audit_interval: Duration = Field(default=300, ge=1)
    """Time between two audits. The factory acts on an orphan once two audits at least this far apart have seen it."""
    metrics: str | None = Field(
        default=None,
        pattern=r"^(.+:)?[1-9][0-9]{0,4}$",
        json_schema_extra={"right": "HOST:PORT or PORT, with a port from 1 to 65535"},
    )
    """Address of the HTTP endpoint for Prometheus, as HOST:PORT; PORT alone listens on 127.0.0.1. None: no endpoint.
    Read at start only."""

    @field_validator("metrics")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None:
            split_address(value)
        return value
