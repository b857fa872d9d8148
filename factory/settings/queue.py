"""Settings that every queue and every section of `monitorConf` has, apart from those of its plugins."""

from __future__ import annotations

from pydantic import Field

from factory.settings.types import CommaList, Duration, Settings, Switch


class QueueSettings(Settings):
    """Keys of a queue's section that belong to no plugin."""

    name: str = Field(json_schema_extra={"internal": True})
    """Name of the section."""
    enabled: Switch = False
    """True runs the queue. While it is False the queue buys nothing, and existing VMs finish normally."""
    wmsqueue: str | None = None
    """The work that this queue serves: a queue name in PanDA, or the ``MATCH_APF_QUEUE`` of HTCondor jobs; ``ANY``: all
    jobs."""
    sleep: Duration = Field(default=360, alias="apfqueue.sleep", ge=1)
    """Time between two decisions."""
    priority: int = 0
    """Order in which queues that read the same demand are served; the smallest number comes first."""
    wmsstatusplugin: str | None = None
    """Plugin that reports the waiting work."""
    batchstatusplugin: str
    """Plugin that reports the jobs or VMs the queue already has."""
    schedplugin: CommaList
    """Plugins that decide how many VMs or jobs to add or retire; each changes the number from the one before it."""
    batchsubmitplugin: str
    """Plugin that submits jobs or VMs."""
    monitorsection: CommaList = ()
    """Sections of ``monitorConf`` whose monitor plugins receive each round."""
    executable: str | None = None
    """Executable of plain jobs."""
    arguments: str | None = Field(default=None, alias="executable.arguments")
    """Arguments of the executable."""
    keepdays: int | None = Field(default=None, alias="cleanlogs.keepdays", ge=0)
    """Days to keep output and logs of this queue's plain jobs; none: as in ``[Factory]``."""


class MonitorSettings(Settings):
    """Keys of a section of ``monitorConf`` that belong to no plugin."""

    monitorplugin: str
    """Monitor plugin that this section configures."""
