"""Sched plugins, views and configurations for tests of chains; no HTCondor."""

from collections.abc import Mapping
from typing import Any

from factory.model.source import Readings
from factory.model.status import BatchStatus, SiteStatus, Unknown, WmsStatus
from factory.plugin.sched import SchedPlugin, View
from factory.settings.factory import FactorySettings
from factory.settings.queue import QueueSettings

CONF = """\
[Factory]
{factory}

[Q]
enabled = True
wmsstatusplugin = CondorLocal
batchstatusplugin = CondorEC2
batchsubmitplugin = CondorEC2
batchsubmit.condorec2.gridresource = https://ec2.us-east-1.amazonaws.com/
batchsubmit.condorec2.ami_id = ami-7a21bd13
batchsubmit.condorec2.instance_type = m5.large
batchsubmit.condorec2.access_key_id = /etc/apf/access.key
batchsubmit.condorec2.secret_access_key = /etc/apf/secret.key
schedplugin = {chain}
{sched}
"""
"""A configuration with one queue, Q."""


def conf(chain: str, sched: Mapping[str, Any], factory: Mapping[str, Any] | None = None) -> str:
    """Return a configuration file with this chain; the keys are written as in a file."""
    return CONF.format(
        chain=chain,
        sched="\n".join(f"{key} = {value}" for key, value in sched.items()),
        factory="\n".join(f"{key} = {value}" for key, value in (factory or {}).items()),
    )


def plugin(
    kind: type[SchedPlugin],
    *,
    factory_maximum: int | None = None,
    wmsstatusplugin: str | None = "Panda",
    **settings: Any,
) -> SchedPlugin:
    """Return a sched plugin of queue Q with these settings; ``factory_maximum`` is ``maxperfactory.maximum``."""
    queue = QueueSettings(
        name="Q",
        wmsstatusplugin=wmsstatusplugin,
        batchstatusplugin="Condor",
        schedplugin=(kind.__name__,),
        batchsubmitplugin="CondorLocal",
    )
    return kind(queue, kind.Settings(**settings), FactorySettings(max_per_factory=factory_maximum))


def view(
    wms: WmsStatus | None = None,
    batch: BatchStatus | None = None,
    site: str | None = None,
    total: int | None = None,
    now: float = 1_000_000,
    readings: Readings | None = None,
) -> View:
    """Return the view of a plugin of queue Q; arguments that are left out are unknown."""
    unknown = Unknown("not given")
    return View(
        queue="Q",
        now=now,
        wms_or_unknown=wms or unknown,
        batch_or_unknown=batch or unknown,
        site_or_unknown=unknown if site is None else SiteStatus(site),
        total_or_unknown=unknown if total is None else total,
        readings=readings,
    )
