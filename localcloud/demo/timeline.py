"""Timelines: how many jobs and VMs were in which state when, rebuilt from evidence. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from localcloud.demo.evidence import Ad
from localcloud.demo.journal import Entry, vm_states


@dataclass(frozen=True)
class Steps:
    """A count that holds from each moment to the next. Epoch seconds."""

    moments: tuple[float, ...]
    counts: tuple[int, ...]


def jobs_over_time(ads: Iterable[Ad]) -> tuple[Steps, Steps]:
    """Idle and running jobs, by when each was queued, started and completed."""
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


def vms_over_time(journal: Iterable[Entry]) -> tuple[tuple[float, ...], Mapping[str, tuple[int, ...]]]:
    """Moments of decisions, and for each state that occurs how many VMs the factory saw in it."""
    entries = [entry for entry in journal if entry["outcome"] != "blocked"]
    seen = [vm_states(entry) for entry in entries]
    states = {state for counts in seen for state in counts}
    return (
        tuple(entry["decided"] for entry in entries),
        {state: tuple(counts.get(state, 0) for counts in seen) for state in states},
    )
