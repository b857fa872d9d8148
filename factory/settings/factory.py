"""The settings that are no plugin's own: [Factory] and what every queue has."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from factory.settings.types import CommaList, Duration, Settings, Switch, split_address


def account() -> str:
    """Name of the account that this process runs as, or its number if it has no name."""
    try:
        # Not getpass.getuser(): LOGNAME and USER outlive a change of the account.
        return pwd.getpwuid(os.geteuid()).pw_name
    except (KeyError, OSError):
        return str(os.getuid())


class FactorySettings(Settings):
    """Section ``[Factory]``."""

    id: str = Field(
        default="apf",
        alias="factoryId",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        json_schema_extra={"right": "a letter or digit, and up to 63 letters, digits and . _ - after it"},
    )
    """Name of this factory. Everything it owns carries it; two factories on one schedd need two names."""
    statedir: Path = Path("/var/lib/apf")
    """Directory of the factory's own files, on the host of the schedd; made with mode 0700."""
    owner: str = Field(default_factory=account, json_schema_extra={"default": "the account"})
    """Owner of the jobs that the factory submits: the account it runs as."""
    schedd: str | None = None
    """Name of the schedd that gets the factory's jobs; none: the local one."""
    pool: str | None = None
    """Collector (host or host:port) of the pool that the machines join; none: COLLECTOR_HOST of this host."""
    admin_email: str | None = Field(default=None, alias="factoryAdminEmail")
    """Where HTCondor sends mail about pilots."""
    enable_queues: Switch = Field(default=True, alias="enablequeues")
    """False stops every queue, whatever its own ``enabled`` says."""
    queue_conf: CommaList = Field(default=(), alias="queueConf")
    """More files with queues, read after the file that names them."""
    queue_dir_conf: Path | None = Field(default=None, alias="queueDirConf")
    """Directory whose ``*.conf`` files are read in the order of their names."""
    base_log_dir: Path | None = Field(default=None, alias="baseLogDir")
    """Where output and logs of plain jobs go, one directory a day and queue; none: ``statedir/logs``."""
    base_log_dir_url: str | None = Field(default=None, alias="baseLogDirUrl")
    """URL under which a web server shows ``baseLogDir``."""
    keepdays: int | None = Field(default=None, alias="cleanlogs.keepdays", ge=0)
    """Days that output and logs of plain jobs are kept; none or 0: for ever."""
    monitor_conf: Path | None = Field(default=None, alias="monitorConf")
    """File with the sections that ``monitorsection`` names."""
    max_per_factory: int | None = Field(default=None, alias="maxperfactory.maximum")
    """Cap of the sched plugin MaxPerFactory on pending + running of all queues; none: no cap."""
    update_interval: Duration = Field(default=300, ge=1)
    """Longest time between two updates of a machine's ads; after twice this a new collector is believed."""
    maxage: Duration = Field(default=360, ge=1)
    """A reading older than this is unknown, so that the queue holds."""
    deadline: Duration = Field(default=60, ge=1)
    """A query, edit or submit that takes longer is given up and its worker process ended."""
    command_timeout: Duration = Field(default=20, ge=1)
    """A command to a machine (condor_off, condor_on, condor_drain) that takes longer is given up."""
    orphans: Literal["terminate", "report"] = "terminate"
    """Instances without a VM job: drain them if they are in the pool and terminate the empty ones, or only report."""
    audit_interval: Duration = Field(default=300, ge=1)
    """Time between two audits. An orphan is acted on when two audits have seen it, so far apart at least."""
    metrics: str | None = Field(
        default=None,
        pattern=r"^(.+:)?[1-9][0-9]{0,4}$",
        json_schema_extra={"right": "HOST:PORT, a port from 1 to 65535"},
    )
    """Where Prometheus may ask for metrics over HTTP, as HOST:PORT; PORT alone is one of this host's own. None:
    nowhere. Read when the factory starts."""

    @field_validator("metrics")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None:
            split_address(value)
        return value
