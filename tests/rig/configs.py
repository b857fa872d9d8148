"""Configurations for tests: stand-in plugins that only have settings, and files written from text."""

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
    """PanDA jobs."""

    class Settings(PluginSettings):
        interval: Duration = Field(default=0, json_schema_extra={"old": "sleep"})
        """Time between two polls."""
        maxage: Duration | None = None
        """Maximum age of a reading."""


class CondorWms(_Wms):
    """HTCondor jobs."""

    class Settings(PluginSettings):
        scheddhost: str = "localhost"
        """Host of the schedd."""
        scheddport: int = 9618
        """Port of the schedd."""
        collectorhost: str = "localhost"
        """Host of the collector."""
        collectorport: int = 9618
        """Port of the collector."""


class Condor(_Batch):
    """Plain jobs."""


class CondorEC2Status(_Batch):
    """VMs."""

    class Settings(PluginSettings):
        interval: Duration = Field(default=0, json_schema_extra={"old": "sleep"})
        """Time between two polls."""


class Ready(_Sched):
    """Waiting jobs."""

    class Settings(PluginSettings):
        offset: int = 0
        """Jobs to leave waiting."""


class MaxToRun(_Sched):
    """A cap.

    n_out = min(n, ``maximum`` - running).
    """

    class Settings(PluginSettings):
        maximum: int | None = Field(default=None, ge=0)
        """Machines at once; none: no cap."""


class MaxPerCycle(_Sched):
    """A cap per round."""

    class Settings(PluginSettings):
        maximum: int | None = None
        """Machines per round."""


class MaxPending(_Sched):
    """A cap on pending machines."""

    class Settings(PluginSettings):
        maximum: int | None = None
        """Pending machines."""
        allow_negative: Switch = True
        """True retires machines."""


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
    """Limit pilots while the site is in test."""

    class Settings(PluginSettings):
        pilots: int = 0
        """Pilots per round."""


class StatusOffline(_Sched):
    """Limit pilots while the site is offline."""

    class Settings(PluginSettings):
        pilots: int = 0
        """Pilots per round."""


class RetireIdle(_Sched):
    """Retire idle machines."""

    class Settings(PluginSettings):
        after: Duration = 900
        """Idle time before a machine retires."""


class MinPerCycle(_Sched):
    """A floor."""

    class Settings(PluginSettings):
        minimum: int | None = None
        """Machines per round."""


class Scale(_Sched):
    """A factor."""

    class Settings(PluginSettings):
        factor: float = 1.0
        """Factor applied to n."""


class CondorLocal(_Submit):
    """Pilots."""

    class Settings(PluginSettings):
        executable: Path | None = None
        """Executable."""
        environ: str | None = None
        """Environment."""
        peaceful: Switch = Field(default=True, alias="overlay.peaceful", json_schema_extra={"old": "peaceful"})
        """True never removes running jobs."""
        killorder: Literal["newest", "oldest"] = Field(default="newest", alias="overlay.killorder")
        """Order of removal."""
        condor_attributes: str | None = None
        """Submit lines."""
        attributes: Annotated[dict[str, str], Named("condor_attributes.")] = {}
        """Submit lines, one per key."""


class CondorOSGCE(_Submit):
    """Pilots on a compute element."""

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
        """Maximum number of tags."""
        password: int | None = Field(default=None, json_schema_extra={"secret": True})
        """A secret."""
        lease: Duration = 172800
        """Longest life."""
        lease_max: Duration | None = None
        """Longest life with extensions."""

        vpc_ip: str | None = None
        """Address, with a validator that raises."""

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
    """Rejects every queue."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        if self.queue.wmsqueue is None:
            raise ValueError("needs wmsqueue")
        raise KeyError(self.queue.wmsqueue)


class Dummy(MonitorPlugin):
    """Discards reports."""

    def report(self, *args: Any) -> Any: ...


class APF(MonitorPlugin):
    """A web service."""

    class Settings(PluginSettings):
        url: str = Field(alias="monitorURL")
        """Address of the service."""

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
    """Return the plugins of this source tree, and stand-ins for names it does not have."""
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
    """Return the text of a valid queue with these additional lines."""
    return "\n".join([textwrap.dedent(QUEUE).replace("[Q]", f"[{name}]").strip(), *lines, ""])


def write(directory: Path, text: str | bytes, name: str = "queues.conf") -> Path:
    """Write a file and return its path."""
    path = directory / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(*paths: Path) -> Config:
    """Load the files with the stand-in plugins."""
    return load(paths, PLUGINS)


def problems(*paths: Path) -> list[Problem]:
    """Return the errors and warnings of the files."""
    try:
        return list(read(*paths).warnings)
    except ConfigError as error:
        return error.problems


def messages(*paths: Path) -> str:
    """Return the errors and warnings as text, without directory names."""
    return "\n".join(map(str, problems(*paths))).replace(f"{paths[0].parent}/", "") if paths else ""
