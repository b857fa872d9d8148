"""Evidence: what schedd, event log, cloud and journal say when the play is over."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.demo.journal import Entry
from localcloud.demo.play import Ramp
from localcloud.demo.stage import Stage

Ad = Mapping[str, Any]

_EVENT = re.compile(r"^(\d{3}) \((\d+)\.(\d+)\.\d+\) ", re.MULTILINE)


@dataclass(frozen=True)
class Evidence:
    """Everything that the report is made from."""

    ramps: tuple[Ramp, ...]
    jobs: tuple[Ad, ...]
    """Job ads of the user's jobs, from the history, and from the queue if any are left."""
    vm_jobs: tuple[Ad, ...]
    """The same of the VM jobs."""
    events: Mapping[str, Counter[int]]
    """For each job, how often each event is in its event log."""
    instances: tuple[Mapping[str, Any], ...]
    """As ``localcloud.control`` describes them."""
    requests: Mapping[str, int]
    """API requests by action."""
    journal: tuple[Entry, ...]
    version: str
    """What condor_version prints."""


def collect(stage: Stage, ramps: list[Ramp]) -> Evidence:
    """Ask everyone."""
    stage.journal.new()
    ads = stage.pool.history() + stage.pool.jobs()
    return Evidence(
        ramps=tuple(ramps),
        jobs=tuple(ad for ad in ads if "APFVM" not in ad),
        vm_jobs=tuple(ad for ad in ads if "APFVM" in ad),
        events=events(stage.job_log.read_text() if stage.job_log.exists() else ""),
        instances=tuple(stage.cloud.instances().values()),
        requests=stage.cloud.requests(),
        journal=tuple(stage.journal.entries),
        version=stage.pool.run("condor_version"),
    )


def events(text: str) -> dict[str, Counter[int]]:
    """Count the events of an HTCondor event log, by job."""
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for code, cluster, proc in _EVENT.findall(text):
        counts[f"{int(cluster)}.{int(proc)}"][int(code)] += 1
    return dict(counts)


def job_id(ad: Ad) -> str:
    """``cluster.proc``."""
    return f"{ad['ClusterId']}.{ad['ProcId']}"
