"""Keys of a queue's section that belong to no plugin."""

from __future__ import annotations

from pydantic import Field

from factory.settings.types import CommaList, Duration, Settings, Switch


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
