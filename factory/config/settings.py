"""The settings that are no plugin's own: [Factory] and what every queue has."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from factory.config.types import CommaList, Duration, Settings, Switch, split_address

if TYPE_CHECKING:
    from factory.plugin import (
        BatchStatusPlugin,
        BatchSubmitPlugin,
        MonitorPlugin,
        SchedPlugin,
        WmsStatusPlugin,
    )


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


class QueueSettings(Settings):
    """What every queue's section may have, beside the keys of its plugins."""

    name: str = Field(json_schema_extra={"internal": True})
    """Name of the section."""
    enabled: Switch = False
    """Only queues with ``enabled = True`` run."""
    wmsqueue: str | None = None
    """The work that this queue serves: the queue name in the WMS, or ``MATCH_APF_QUEUE`` of its jobs, where ``ANY`` is
    all jobs."""
    sleep: Duration = Field(default=360, alias="apfqueue.sleep", ge=1)
    """Time between two decisions."""
    priority: int = 0
    """Queues that read the same demand are served in this order, smallest first."""
    wmsstatusplugin: str | None = None
    """Plugin that says what work waits."""
    batchstatusplugin: str
    """Plugin that says what the queue already has."""
    schedplugin: CommaList
    """Plugins that decide how many machines to add or retire, in this order."""
    batchsubmitplugin: str
    """Plugin that submits."""
    monitorsection: CommaList = ()
    """Sections of ``monitorConf`` whose plugins are told of each round."""
    executable: str | None = None
    """Program of plain jobs."""
    arguments: str | None = Field(default=None, alias="executable.arguments")
    """Its arguments."""
    keepdays: int | None = Field(default=None, alias="cleanlogs.keepdays", ge=0)
    """Days that output and logs of this queue are kept; none: as ``[Factory]`` says."""


class MonitorSettings(Settings):
    """What every section of ``monitorConf`` has, beside the keys of its plugin."""

    monitorplugin: str
    """Plugin that this section sets up."""


@dataclass(frozen=True)
class Problem:
    """Something wrong, or worth a look, in the configuration."""

    file: str
    line: int | None
    section: str | None
    key: str | None
    text: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        section = f" [{self.section}]" if self.section is not None else ""
        key = f" {self.key}:" if self.key is not None else ""
        kind = "warning: " if self.severity == "warning" else ""
        text = f"{where}:{section}{key} {kind}{self.text}"
        return text.encode(errors="backslashreplace").decode()  # names of files may be any bytes


class ConfigError(Exception):
    """The configuration can't be used; ``problems`` has everything that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True)
class Queue:
    """A queue as configured: its settings and its plugins."""

    settings: QueueSettings
    batchstatus: BatchStatusPlugin
    sched: tuple[SchedPlugin, ...]
    batchsubmit: BatchSubmitPlugin
    wmsstatus: WmsStatusPlugin | None = None
    monitors: tuple[MonitorPlugin, ...] = ()
    text: tuple[tuple[str, str], ...] = ()
    """The section after interpolation: equal text, unchanged queue."""

    @property
    def name(self) -> str:
        """Name of the section."""
        return self.settings.name


@dataclass(frozen=True)
class Config:
    """A valid configuration."""

    factory: FactorySettings
    queues: tuple[Queue, ...]
    """Enabled queues, in the order of priority, then of the file."""
    disabled: tuple[str, ...] = ()
    """Names of the queues that do not run."""
    stopped: tuple[Queue, ...] = ()
    """Those of them with which nothing is wrong."""
    warnings: tuple[Problem, ...] = ()
    adopted: tuple[Queue, ...] = ()
    """Queues that are not configured any more and have VMs (``factory.adopt``)."""

    @cached_property
    def tended(self) -> tuple[Queue, ...]:
        """Queues that do not run and may have machines from before: these are seen to their end, and none is bought."""
        stopped = tuple(
            replace(queue, wmsstatus=None, sched=(), monitors=())
            for queue in self.stopped
            if queue.batchsubmit.machines() is not None
        )
        return (*stopped, *self.adopted)

    @property
    def watched(self) -> tuple[Queue, ...]:
        """Queues that run, and those that are only tended."""
        return (*self.queues, *self.tended)

    def queue(self, name: str) -> Queue | None:
        """The queue of that name, whether it runs or not."""
        return next((queue for queue in (*self.queues, *self.stopped) if queue.name == name), None)
