"""The four figures, from books that the factory does not keep: the jobs' own, the schedd's and the cloud's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

GONE = frozenset({"shutting-down", "terminated", "stopped"})
"""States of an instance that no longer runs; Amazon bills none of them."""


@dataclass(frozen=True)
class Figures:
    """What a scenario cost. All must be zero."""

    lost: int
    """Jobs that did not complete."""
    evicted: int
    """Starts of jobs that were cut short on machines which the fault itself did not end."""
    leaked: int
    """VMs that were still there after the dust had settled: an instance, a VM job or both."""
    above: int
    """VMs above the cap, at the worst moment."""

    @property
    def clean(self) -> bool:
        """All zero."""
        return not any(asdict(self).values())


@dataclass(frozen=True)
class Run:
    """A time that a job was started, as the job itself wrote it down."""

    job: str
    machine: str
    """Its EC2InstanceID."""
    ended: bool


def runs(lines: Iterable[str]) -> list[Run]:
    """From lines ``start|end JOB RUN MACHINE`` to runs."""
    words = [line.split() for line in lines]
    ended = {each[2] for each in words if each[0] == "end"}
    return [Run(each[1], each[3], each[2] in ended) for each in words if each[0] == "start"]


def evictions_logged(userlog: str) -> int:
    """Runs that a job log says were cut short: evicted (004), or not reconnected (024), which tell the same."""
    counts = Counter(re.findall(r"^0(04|24) \((\d+\.\d+)", userlog, re.MULTILINE))
    return sum(max(counts["04", job], counts["24", job]) for job in {job for _, job in counts})


def lost(ads: Iterable[Mapping[str, Any]], submitted: int) -> int:
    """Jobs that are not in the schedd's history as completed and well."""
    return submitted - sum(1 for ad in ads if ad["JobStatus"] == 4 and ad.get("ExitCode") == 0)


def evicted(found: Collection[Run], logged: int, struck: Collection[str]) -> int:
    """Runs cut short by us; ``struck``: machines that the fault ended, on which a run may be cut short."""
    cut = [run for run in found if not run.ended]
    by_fault = sum(run.machine in struck for run in cut)
    return max(len(cut), logged) - by_fault


def leaked(machines: Iterable[Mapping[str, Any]], vm_jobs: Iterable[Mapping[str, Any]]) -> int:
    """VMs of which an instance or a VM job is left."""
    instances = {each["tags"].get("apf:vm", each["id"]) for each in machines if each["state"] not in GONE}
    return len(instances | {ad["APFVM"] for ad in vm_jobs})


def most_alive(machines: Iterable[Mapping[str, Any]]) -> int:
    """How many instances were alive at the same moment, at most."""
    steps: list[tuple[float, int]] = []
    for machine in machines:
        history = machine["history"]
        steps.append((history[0][1], 1))
        end = next((at for state, at in history if state in GONE), None)
        if end is not None:
            steps.append((end, -1))
    alive = most = 0
    for _, step in sorted(steps):
        alive += step
        most = max(most, alive)
    return most
