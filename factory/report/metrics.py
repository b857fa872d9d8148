"""Metrics for Prometheus: the state of the queues that ``apf status`` shows, as labelled gauges.

Each scrape reads status.json, which the last round wrote. Nothing is kept between scrapes.
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
    """Metrics of the status file; none while the file is missing or was written by another version of apf."""

    def __init__(self, status: Path) -> None:
        self._status = status

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield all metric families of the present file."""
        try:
            metrics = list(families(json.loads(self._status.read_bytes())))
        except (OSError, AttributeError, KeyError, TypeError, ValueError):  # missing, or of another version
            return
        yield from metrics


def serve_metrics(address: str, status: Path) -> None:
    """Serve ``http://HOST:PORT/metrics`` from a thread until the process ends.

    Raises:
        OSError: the address can't be bound.
    """
    host, port = split_address(address)
    registry = CollectorRegistry()
    registry.register(StatusCollector(status))
    start_http_server(port, host, registry)


def families(status: Mapping[str, Any]) -> Iterator[GaugeMetricFamily]:
    """Yield the metric families of a status (``factory.report.status.status_report``). Pure."""
    factory = str(status["factory"])

    def gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"apf_{name}", text, labels=("factory", *labels))

    written = gauge("status_written_timestamp_seconds", "End of the last round.")
    written.add_metric((factory,), status["written"])
    vms = gauge("vms", "VMs by state.", "queue", "state")
    orphans = gauge("orphans", "Instances without a VM job.", "queue")
    jobs = gauge("jobs", "Jobs that the queue serves, by state.", "queue", "state")
    asked = gauge("asked", "VMs that the last decision asked for; below zero: VMs to retire.", "queue")
    blocked = gauge("blocked", "1 if the queue is blocked: its chain can't decide.", "queue")
    decided = gauge("decided_timestamp_seconds", "Time of the last decision.", "queue")
    errors = gauge("failed_actions", "Failed actions of the last decision.", "queue")
    breaker = gauge("breaker_open", "1 while this shape (*: any shape) is not bought.", "queue", "shape", "fault")
    until = gauge("breaker_until_timestamp_seconds", "Time of the next probe.", "queue", "shape", "fault")
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
    read = gauge("source_read_timestamp_seconds", "Start of the last poll.", "source")
    took = gauge("source_seconds", "Duration of the last poll.", "source")
    up = gauge("source_up", "1 if the last poll succeeded.", "source")
    for source in status["sources"]:
        name = (factory, str(source["source"]))
        read.add_metric(name, source["started"])
        took.add_metric(name, source["took_s"])
        up.add_metric(name, float(source["error"] is None))
    yield from (written, vms, orphans, jobs, asked, blocked, decided, errors, breaker, until, read, took, up)
