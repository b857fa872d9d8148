"""Evidence: records of schedd, event logs, cloud and journal at the end of the demo."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.demo.journal import JournalDecision
from localcloud.demo.ramps import Ramp
from localcloud.demo.scenario import Scenario
from localcloud.demo.testbed import Testbed

Ad = Mapping[str, Any]

_EVENT = re.compile(r"^(\d{3}) \((\d+)\.(\d+)\.\d+\) ", re.MULTILINE)


@dataclass(frozen=True)
class Evidence:
    """All records from which the report is built."""

    ramps: tuple[Ramp, ...]
    jobs: tuple[Ad, ...]
    """Ads of the pool's jobs without VM jobs, from history and queue."""
    vm_jobs: tuple[Ad, ...]
    """Ads of the VM jobs, from history and queue."""
    events: Mapping[str, Counter[int]]
    """Number of events in the event logs, by job and event code."""
    instances: tuple[Mapping[str, Any], ...]
    """Instances, as ``localcloud.control`` describes them."""
    requests: Mapping[str, int]
    """Number of API requests by action."""
    journal: tuple[JournalDecision, ...]
    version: str
    """Output of condor_version."""


def collect_evidence(testbed: Testbed, scenario: Scenario, ramps: tuple[Ramp, ...]) -> Evidence:
    """Query all sources."""
    testbed.journal.read_new()
    ads = testbed.pool.history() + testbed.pool.jobs()
    logs = [path for path in scenario.event_logs(testbed.directory) if path.exists()]
    return Evidence(
        ramps=ramps,
        jobs=tuple(ad for ad in ads if "APFVM" not in ad),
        vm_jobs=tuple(ad for ad in ads if "APFVM" in ad),
        events=count_events("\n".join(path.read_text() for path in logs)),
        instances=tuple(testbed.cloud.instances().values()),
        requests=testbed.cloud.requests(),
        journal=tuple(testbed.journal.decisions),
        version=testbed.pool.run("condor_version"),
    )


def count_events(text: str) -> dict[str, Counter[int]]:
    """Count the events of an HTCondor event log, by job and event code."""
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for code, cluster, proc in _EVENT.findall(text):
        counts[f"{int(cluster)}.{int(proc)}"][int(code)] += 1
    return dict(counts)


def job_id(ad: Ad) -> str:
    """Return ``cluster.proc``."""
    return f"{ad['ClusterId']}.{ad['ProcId']}"
