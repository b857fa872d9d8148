"""Memory of a factory process and its worker processes, idle between rounds."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class MemoryUse:
    """Memory of all processes together, in MB."""

    rss: float
    """Sum of the resident memory; shared pages count once for each process. This is the strict figure."""
    pss: float
    """Sum of the proportional memory; shared pages are divided among processes. This is the real use of the host."""
    peak: float
    """Sum of the peak resident memory of each process."""
    processes: int


class Factory:
    """A factory process that runs rounds on demand."""

    def __init__(self, conf: Path, log: Path) -> None:
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.factory", str(conf)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
            )  # fmt: skip

    def run(self, rounds: int) -> float:
        """Run rounds; return the seconds per round."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(rounds, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the factory of the benchmark has ended; see factory.log")
        return float(answer)

    def memory(self) -> MemoryUse:
        """Return the memory of its processes."""
        family = self._family()
        each = [(_kb(pid, "smaps_rollup"), _kb(pid, "status")) for pid in family]
        return MemoryUse(
            sum(maps.get("Rss", 0) for maps, _ in each) / 1024,
            sum(maps.get("Pss", 0) for maps, _ in each) / 1024,
            sum(status.get("VmHWM", 0) for _, status in each) / 1024,
            len(family),
        )

    def by_process(self) -> list[tuple[int, float, float]]:
        """Return process id, RSS and PSS in MB of each process."""
        found = [(pid, _kb(pid, "smaps_rollup")) for pid in self._family()]
        return [(pid, maps.get("Rss", 0) / 1024, maps.get("Pss", 0) / 1024) for pid, maps in found]

    def stop(self) -> None:
        """Stop the factory."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _family(self) -> list[int]:
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                except OSError:
                    continue  # the process has ended
        family = {self._process.pid}
        while more := {pid for pid, parent in parents.items() if parent in family} - family:
            family |= more
        return sorted(family)


def _kb(pid: int, name: str) -> dict[str, int]:
    """Return the values of lines such as ``Rss:  123 kB`` of a file in /proc."""
    try:
        lines = Path(f"/proc/{pid}/{name}").read_text().splitlines()
    except OSError:
        return {}
    parts = [line.split() for line in lines if line.endswith(" kB")]
    return {part[0].rstrip(":"): int(part[1]) for part in parts}
