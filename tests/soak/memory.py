"""How much memory a process and all below it hold."""

from __future__ import annotations

import subprocess
from pathlib import Path
from statistics import median


def held_mb(pid: int) -> float:
    """Resident memory of the process and its descendants, in MiB; shared pages count for each its part (PSS)."""
    pids = [pid]
    for parent in pids:
        listed = subprocess.run(["pgrep", "--parent", str(parent)], capture_output=True, text=True, check=False)
        pids += [int(word) for word in listed.stdout.split()]
    return sum(_pss_kb(each) for each in pids) / 1024


def _pss_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (OSError, ProcessLookupError):
        return 0  # ended meanwhile
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def growth(samples: list[float]) -> float:
    """By which part the last third of the samples lies above the second (the first one is warming up)."""
    third = len(samples) // 3
    before, after = median(samples[third : 2 * third]), median(samples[2 * third :])
    return after / before - 1
