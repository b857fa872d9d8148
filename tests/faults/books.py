"""The four figures, from records that the factory does not keep: of the jobs, the schedd and the cloud."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

GONE = frozenset({"shutting-down", "terminated", "stopped"})
"""States of an instance that no longer runs and that Amazon does not bill."""


@dataclass(frozen=True)
class Figures:
    """The cost of a scenario; all figures must be zero."""

    lost: int
    """Jobs that did not complete."""
    evicted: int
    """Runs of jobs that were cut short, and not by the fault itself."""
    leaked: int
    """VMs that remain at the end: an instance, a VM job or both."""
    above: int
    """Largest number of VMs above the cap."""

    @property
    def clean(self) -> bool:
        """True if all figures are zero."""
        return not any(asdict(self).values())


@dataclass(frozen=True)
class Run:
    """One start of a job."""

    job: str
    machine: str
    """Its EC2InstanceID; empty: unknown."""
    ended: bool
    struck: bool = False
    """True if the fault struck the machine during the run; a run that was cut short then is the fault's."""

    @property
    def ours(self) -> bool:
        """True if the run was cut short, and not by the fault."""
        return not (self.ended or self.struck)


@dataclass(frozen=True)
class Strike:
    """A time at which the fault ended the runs on a machine, or the machine itself. Epoch seconds."""

    machine: str
    at: float
    for_good: bool
    """True if the machine itself ended."""

    @property
    def line(self) -> str:
        """The line for the jobs' record."""
        return f"{'gone' if self.for_good else 'struck'} {self.machine} {self.at}"


def runs(lines: Iterable[str]) -> list[Run]:
    """Return the runs from the record that jobs and faults write: ``start|end JOB RUN MACHINE``, and strikes."""
    by_run: dict[str, Run] = {}
    gone: set[str] = set()
    for word, *rest in map(str.split, lines):
        if word == "start":
            job, run, machine = rest
            by_run[run] = Run(job, machine, ended=False, struck=machine in gone)
        elif word == "end":
            by_run[rest[1]] = replace(by_run[rest[1]], ended=True)
        else:
            machine = rest[0]
            gone |= {machine} if word == "gone" else set()
            by_run |= {key: replace(run, struck=True) for key, run in by_run.items() if run.machine == machine}
    return list(by_run.values())


def strikes(lines: Iterable[str]) -> list[Strike]:
    """Return the strikes in the same record."""
    words = [line.split() for line in lines]
    return [Strike(each[1], float(each[2]), each[0] == "gone") for each in words if each[0] in ("gone", "struck")]


def lost(ads: Iterable[Mapping[str, Any]], submitted: int) -> int:
    """Return the number of jobs that are not in the schedd's history as completed with exit code 0."""
    return submitted - sum(1 for ad in ads if ad["JobStatus"] == 4 and ad.get("ExitCode") == 0)


def evicted(*books: Iterable[Run]) -> int:
    """Return the number of runs cut short by us; records of the same job on the same machine are matched."""
    counts = [Counter((run.job, run.machine) for run in book if run.ours) for book in books]
    return sum(max(each[where] for each in counts) for where in {where for each in counts for where in each})


def leaked(machines: Iterable[Mapping[str, Any]], vm_jobs: Iterable[Mapping[str, Any]]) -> int:
    """Return the number of remaining instances, stopped ones too, and of VM jobs that own none of them."""
    there = [each["tags"].get("apf:vm") for each in machines if each["state"] not in ("shutting-down", "terminated")]
    return len(there) + sum("APFVM" not in ad or ad["APFVM"] not in there for ad in vm_jobs)


def most_alive(machines: Iterable[Mapping[str, Any]]) -> int:
    """Return the largest number of instances that were alive at the same time."""
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
