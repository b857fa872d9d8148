"""What Prometheus may ask: the state of the queues as ``apf status`` shows it, as labelled gauges.

Families are made from the status of the last round when somebody asks; nothing here decides or remembers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from factory.settings.types import split_address

_JOBS = ("notready", "ready", "running")


class StatusCollector(Collector):
    """The status file as metrics; none while there is no file of this version yet."""

    def __init__(self, status: Path) -> None:
        self._status = status

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """All families, from the file as it is now."""
        try:
            found = list(families(json.loads(self._status.read_bytes())))
        except (OSError, AttributeError, KeyError, TypeError, ValueError):  # none yet, or of another version
            return
        yield from found


def serve_metrics(address: str, status: Path) -> None:
    """Answer at ``http://HOST:PORT/metrics`` from a thread, until the process ends.

    Raises:
        OSError: the address can't be used.
    """
    host, port = split_address(address)
    registry = CollectorRegistry()
    registry.register(StatusCollector(status))
    start_http_server(port, host, registry)


def families(status: Mapping[str, Any]) -> Iterator[GaugeMetricFamily]:
    """Metric families of a status (``factory.report.status.status_report``); pure."""
    factory = str(status["factory"])

    def gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"apf_{name}", text, labels=("factory", *labels))

    written = gauge("status_written_timestamp_seconds", "When the last round ended.")
    written.add_metric((factory,), status["written"])
    vms = gauge("vms", "VMs of a queue by state.", "queue", "state")
    orphans = gauge("orphans", "Instances of a queue that no VM job owns.", "queue")
    jobs = gauge("jobs", "Jobs that a queue serves, by state.", "queue", "state")
    asked = gauge("asked", "VMs that the chain asked for (below zero: to retire) in the last decision.", "queue")
    blocked = gauge("blocked", "1: the chain can't decide.", "queue")
    decided = gauge("decided_timestamp_seconds", "When a queue was last decided for.", "queue")
    errors = gauge("failed_actions", "Actions of the last decision that failed.", "queue")
    breaker = gauge("breaker_open", "1: nothing of this shape (*: of the queue) is bought.", "queue", "shape", "fault")
    until = gauge("breaker_until_timestamp_seconds", "When a probe is bought.", "queue", "shape", "fault")
    for queue in status["queues"]:
        name = (factory, str(queue["queue"]))
        for state, n in queue["states"].items():
            vms.add_metric((*name, state), n)
        if "orphans" in (queue["batch"] or {}):
            orphans.add_metric(name, queue["batch"]["orphans"])
        for state in _JOBS:
            if state in (queue["wms"] or {}):
                jobs.add_metric((*name, state), queue["wms"][state])
        if queue["n"] is not None:
            asked.add_metric(name, queue["n"])
        blocked.add_metric(name, float(queue["blocked"] is not None))
        decided.add_metric(name, queue["decided"])
        errors.add_metric(name, sum(action["error"] is not None for action in queue["actions"]))
        for shape, open_ in queue["health"]["breakers"].items():
            breaker.add_metric((*name, shape, open_["what"]), float(open_["until"] > status["written"]))
            until.add_metric((*name, shape, open_["what"]), open_["until"])
    read = gauge("source_read_timestamp_seconds", "When a source was last asked.", "source")
    took = gauge("source_seconds", "How long that took.", "source")
    up = gauge("source_up", "1: it answered.", "source")
    for source in status["sources"]:
        name = (factory, str(source["source"]))
        read.add_metric(name, source["started"])
        took.add_metric(name, source["took_s"])
        up.add_metric(name, float(source["error"] is None))
    yield from (written, vms, orphans, jobs, asked, blocked, decided, errors, breaker, until, read, took, up)
