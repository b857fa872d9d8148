"""A PanDA server for tests, and Panda plugins that read it."""

import pickle
import time
from typing import Any

from factory.model.source import Reading, Readings
from factory.model.status import Unknown, WmsStatus
from factory.process.http import HttpError
from factory.settings.factory import FactorySettings
from factory.settings.queue import QueueSettings
from localcloud.panda import JOBS, ROOT, SITES, PandaServer
from plugins.wmsstatus.panda import Panda

__all__ = ["JOBS", "ROOT", "SITES", "PandaServer", "panda", "poll", "reason", "wms"]


def panda(url: str | None, wmsqueue: str | None = "BNL_CLOUD", deadline: int = 5, **settings: Any) -> Panda:
    queue = QueueSettings(
        name="Q",
        wmsqueue=wmsqueue,
        wmsstatusplugin="Panda",
        batchstatusplugin="Condor",
        schedplugin=("Ready",),
        batchsubmitplugin="CondorLocal",
    )
    return Panda(queue, Panda.Settings(url=url, **settings), FactorySettings(deadline=deadline))


def poll(plugin: Panda) -> Readings:
    """Fetch each source once as a worker does, pickled in both directions."""
    readings = {}
    for source in plugin.sources():
        started = time.time()
        try:
            rows = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(source)).fetch()))  # noqa: S301  our own
            reading = Reading(source.key, started, time.time(), rows)
        except HttpError as error:
            reading = Reading(source.key, started, time.time(), error=str(error))
        readings[source.key] = reading
    return Readings(time.time(), readings)


def wms(plugin: Panda) -> WmsStatus | Unknown:
    return plugin.read(poll(plugin))


def reason(status: object) -> str:
    assert isinstance(status, Unknown)
    return status.reason
