"""Timelines: number of jobs and VMs in each state over time, from evidence. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from localcloud.demo.evidence import Ad
from localcloud.demo.journal import JournalDecision


@dataclass(frozen=True)
class Steps:
    """A count that holds from each moment (epoch) to the next."""

    moments: tuple[float, ...]
    counts: tuple[int, ...]


def jobs_over_time(ads: Iterable[Ad]) -> tuple[Steps, Steps]:
    """Return the counts of idle and of running jobs."""
    idle: list[tuple[float, int]] = []
    running: list[tuple[float, int]] = []
    for ad in ads:
        idle.append((ad["QDate"], 1))
        if ad.get("JobStartDate"):
            idle.append((ad["JobStartDate"], -1))
            running.append((ad["JobStartDate"], 1))
            if ad.get("CompletionDate"):
                running.append((ad["CompletionDate"], -1))
    return _summed(idle), _summed(running)


def _summed(changes: list[tuple[float, int]]) -> Steps:
    total = 0
    steps: dict[float, int] = {}
    for moment, change in sorted(changes):
        total += change
        steps[moment] = total
    return Steps(tuple(steps), tuple(steps.values()))


def vms_over_time(journal: Iterable[JournalDecision], queue: str) -> tuple[tuple[float, ...], Mapping[str, list[int]]]:
    """Return the times of a queue's decisions, and the number of VMs in each state at these times."""
    seen = [(each.decided, each.vms) for each in journal if each.queue == queue and each.vms is not None]
    states = {state for _, vms in seen for state in vms}
    return (
        tuple(decided for decided, _ in seen),
        {state: [vms.get(state, 0) for _, vms in seen] for state in states},
    )
