"""Configurations for tests: plugins that do nothing but have settings, and files made of text."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from factory.config import load
from factory.config.installed_plugins import CATEGORIES, Registry
from factory.config.problems import ConfigError, Problem
from factory.config.queues import Config
from factory.config.reference_page import own_plugins
from factory.plugin import CommaList, Duration, KeepLines, Named, Switch
from factory.plugin.base import Plugin, PluginSettings
from factory.plugin.batchstatus import BatchStatusPlugin
from factory.plugin.batchsubmit import BatchSubmitPlugin
from factory.plugin.monitor import MonitorPlugin
from factory.plugin.sched import SchedPlugin
from factory.plugin.wmsstatus import WmsStatusPlugin


class _Wms(WmsStatusPlugin):
    def sources(self) -> Any: ...
    def read(self, *args: Any) -> Any: ...


class _Batch(BatchStatusPlugin):
    def sources(self) -> Any: ...
    def read(self, *args: Any) -> Any: ...


class _Sched(SchedPlugin):
    def step(self, *args: Any) -> Any: ...


class _Submit(BatchSubmitPlugin):
    def plan(self, *args: Any) -> Any: ...
    def submission(self, *args: Any) -> Any: ...


class Panda(_Wms):
    """Jobs of PanDA."""

    class Settings(PluginSettings):
        interval: Duration = Field(default=0, json_schema_extra={"old": "sleep"})
        """How long a reading is used."""
        maxage: Duration | None = None
        """When it is too old."""


class CondorWms(_Wms):
    """Jobs of a schedd."""

    class Settings(PluginSettings):
        scheddhost: str = "localhost"
        """Its host."""
        scheddport: int = 9618
        """Its port."""
        collectorhost: str = "localhost"
        """Host of its collector."""
        collectorport: int = 9618
        """Port of its collector."""


class Condor(_Batch):
    """Plain jobs."""


class CondorEC2Status(_Batch):
    """VMs."""

    class Settings(PluginSettings):
        interval: Duration = Field(default=0, json_schema_extra={"old": "sleep"})
        """How long a reading is used."""


class Ready(_Sched):
    """Jobs that wait."""

    class Settings(PluginSettings):
        offset: int = 0
        """Jobs that are left waiting."""


class MaxToRun(_Sched):
    """A cap.

    n_out = min(n, ``maximum`` - running).
    """

    class Settings(PluginSettings):
        maximum: int | None = Field(default=None, ge=0)
        """Machines at once; none: no cap."""


class MaxPerCycle(_Sched):
    """A cap for each cycle."""

    class Settings(PluginSettings):
        maximum: int | None = None
        """Machines a cycle."""


class MaxPending(_Sched):
    """A cap for what waits."""

    class Settings(PluginSettings):
        maximum: int | None = None
        """Machines that wait."""
        allow_negative: Switch = True
        """Whether to retire."""


class KeepNRunning(_Sched):
    """A target."""

    class Settings(PluginSettings):
        keep_running: int | None = None
        """Machines to keep."""


class Fixed(_Sched):
    """A number."""

    class Settings(PluginSettings):
        pilotspercycle: int | None = None
        """The number."""


class StatusTest(_Sched):
    """What to do while the site is tested."""

    class Settings(PluginSettings):
        pilots: int = 0
        """Pilots a cycle."""


class StatusOffline(_Sched):
    """What to do while the site is off."""

    class Settings(PluginSettings):
        pilots: int = 0
        """Pilots a cycle."""


class RetireIdle(_Sched):
    """What has nothing to do leaves."""

    class Settings(PluginSettings):
        after: Duration = 900
        """Idle for so long."""


class MinPerCycle(_Sched):
    """A floor."""

    class Settings(PluginSettings):
        minimum: int | None = None
        """Machines a cycle."""


class Scale(_Sched):
    """A factor."""

    class Settings(PluginSettings):
        factor: float = 1.0
        """What to multiply with."""


class CondorLocal(_Submit):
    """Pilots."""

    class Settings(PluginSettings):
        executable: Path | None = None
        """The program."""
        environ: str | None = None
        """Its environment."""
        peaceful: Switch = Field(default=True, alias="overlay.peaceful", json_schema_extra={"old": "peaceful"})
        """Whether jobs that run are left alone."""
        killorder: Literal["newest", "oldest"] = Field(default="newest", alias="overlay.killorder")
        """Which go first."""
        condor_attributes: str | None = None
        """Submit lines."""
        attributes: Annotated[dict[str, str], Named("condor_attributes.")] = {}
        """Submit lines, one by one."""


class CondorOSGCE(_Submit):
    """Pilots at another schedd."""

    class Settings(PluginSettings):
        gridresource: str
        """Host."""
        port: int = 9619
        """Port."""
        environ: str | None = None
        """Environment."""
        condor_attributes: str | None = None
        """Submit lines."""


class CondorEC2(_Submit):
    """Machines."""

    class Settings(PluginSettings):
        gridresource: str
        """URL of the cloud."""
        ami_id: str | None = None
        """Image."""
        instance_type: str | None = None
        """Type."""
        access_key_id: Path | None = None
        """File."""
        secret_access_key: Path | None = None
        """File."""
        spot_price: float | None = Field(default=None, ge=0, json_schema_extra={"unit": "USD an hour"})
        """Highest price."""
        security_groups: CommaList = ()
        """Groups."""
        user_data: Annotated[str | None, KeepLines()] = None
        """A script."""
        tags: Annotated[dict[str, str], Named("tag_")] = {}
        """Tags."""
        tag_limit: int | None = None
        """Tags at most."""
        password: int | None = Field(default=None, json_schema_extra={"secret": True})
        """Nobody's business."""
        lease: Duration = 172800
        """Longest life."""
        lease_max: Duration | None = None
        """Longest life with extensions."""

        vpc_ip: str | None = None
        """Address; its check has a fault."""

        @field_validator("vpc_ip")
        @classmethod
        def _faulty(cls, value: str | None) -> str:
            return str(1 / 0)

        @model_validator(mode="after")
        def _fits(self) -> CondorEC2.Settings:
            if self.lease_max is not None and self.lease_max < self.lease:
                raise ValueError("lease_max is shorter than lease")
            return self


class Fussy(_Submit):
    """Does not like the queue."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        if self.queue.wmsqueue is None:
            raise ValueError("needs wmsqueue")
        raise KeyError(self.queue.wmsqueue)


class Dummy(MonitorPlugin):
    """Tells nobody."""

    def report(self, *args: Any) -> Any: ...


class APF(MonitorPlugin):
    """A web service."""

    class Settings(PluginSettings):
        url: str = Field(alias="monitorURL")
        """Its address."""

    def report(self, *args: Any) -> Any: ...


PLUGINS: Mapping[str, Mapping[str, type[Plugin]]] = {
    "wmsstatus": {"Panda": Panda, "Condor": CondorWms, "CondorLocal": CondorWms},
    "batchstatus": {"Condor": Condor, "CondorEC2": CondorEC2Status},
    "sched": {
        plugin.__name__: plugin
        for plugin in (
            Ready,
            Fixed,
            KeepNRunning,
            MaxPending,
            MaxPerCycle,
            MaxToRun,
            MinPerCycle,
            RetireIdle,
            Scale,
            StatusOffline,
            StatusTest,
        )
    },
    "batchsubmit": {"CondorLocal": CondorLocal, "CondorOSGCE": CondorOSGCE, "CondorEC2": CondorEC2, "Fussy": Fussy},
    "monitor": {"APF": APF, "Dummy": Dummy},
}


def own_or_standins() -> Registry:
    """The plugins of this source tree, and stand-ins for those that it does not have."""
    own = own_plugins()
    return Registry.of(
        {
            category: {
                **PLUGINS.get(category, {}),
                **{name: own.get(category, name) for name in own.names(category)},
            }
            for category in CATEGORIES
        }
    )


QUEUE = """
    [Q]
    enabled = True
    batchstatusplugin = Condor
    batchsubmitplugin = CondorLocal
    schedplugin = Ready
"""


def queue(*lines: str, name: str = "Q") -> str:
    """A queue that is right, with more lines."""
    return "\n".join([textwrap.dedent(QUEUE).replace("[Q]", f"[{name}]").strip(), *lines, ""])


def write(directory: Path, text: str | bytes, name: str = "queues.conf") -> Path:
    """A file of this text."""
    path = directory / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(*paths: Path) -> Config:
    """What the files say to the plugins above."""
    return load(paths, PLUGINS)


def problems(*paths: Path) -> list[Problem]:
    """What is wrong with the files, or worth a look."""
    try:
        return list(read(*paths).warnings)
    except ConfigError as error:
        return error.problems


def told(*paths: Path) -> str:
    """The same as text, without directories."""
    return "\n".join(map(str, problems(*paths))).replace(f"{paths[0].parent}/", "") if paths else ""
