"""The four figures, from books that the factory does not keep: the jobs' own, the schedd's and the cloud's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

GONE = frozenset({"shutting-down", "terminated", "stopped"})
"""States of an instance that no longer runs; Amazon bills none of them."""


@dataclass(frozen=True)
class Figures:
    """What a scenario cost. All must be zero."""

    lost: int
    """Jobs that did not complete."""
    evicted: int
    """Runs of jobs that were cut short and that the fault itself did not end."""
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
    """A time that a job was started."""

    job: str
    machine: str
    """Its EC2InstanceID; empty: not known."""
    ended: bool
    struck: bool = False
    """The fault struck the machine while the job was on it: if it was cut short, that was the fault."""

    @property
    def ours(self) -> bool:
        """It was cut short, and not by the fault."""
        return not (self.ended or self.struck)


@dataclass(frozen=True)
class Strike:
    """A moment at which the fault took the runs on a machine, or the machine itself. Epoch seconds."""

    machine: str
    at: float
    for_good: bool
    """The machine has gone with it."""

    @property
    def line(self) -> str:
        """For the book of the jobs."""
        return f"{'gone' if self.for_good else 'struck'} {self.machine} {self.at}"


def runs(lines: Iterable[str]) -> list[Run]:
    """What jobs and faults wrote into one book, in this order: ``start|end JOB RUN MACHINE``, and strikes."""
    found: dict[str, Run] = {}
    gone: set[str] = set()
    for word, *rest in map(str.split, lines):
        if word == "start":
            job, run, machine = rest
            found[run] = Run(job, machine, ended=False, struck=machine in gone)
        elif word == "end":
            found[rest[1]] = replace(found[rest[1]], ended=True)
        else:
            machine = rest[0]
            gone |= {machine} if word == "gone" else set()
            found |= {key: replace(run, struck=True) for key, run in found.items() if run.machine == machine}
    return list(found.values())


def strikes(lines: Iterable[str]) -> list[Strike]:
    """The strikes in that book."""
    words = [line.split() for line in lines]
    return [Strike(each[1], float(each[2]), each[0] == "gone") for each in words if each[0] in ("gone", "struck")]


def lost(ads: Iterable[Mapping[str, Any]], submitted: int) -> int:
    """Jobs that are not in the schedd's history as completed and well."""
    return submitted - sum(1 for ad in ads if ad["JobStatus"] == 4 and ad.get("ExitCode") == 0)


def evicted(*books: Iterable[Run]) -> int:
    """Runs cut short by us, each told by one of these books or by more; those of one job on one machine are matched."""
    told = [Counter((run.job, run.machine) for run in book if run.ours) for book in books]
    return sum(max(each[where] for each in told) for where in {where for each in told for where in each})


def leaked(machines: Iterable[Mapping[str, Any]], vm_jobs: Iterable[Mapping[str, Any]]) -> int:
    """Instances that are left, and VM jobs that own none of them. One that was stopped is there for somebody to end."""
    there = [each["tags"].get("apf:vm") for each in machines if each["state"] not in ("shutting-down", "terminated")]
    return len(there) + sum("APFVM" not in ad or ad["APFVM"] not in there for ad in vm_jobs)


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
