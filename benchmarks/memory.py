"""Memory of the factory: of a process of its own and of all its worker processes, while they rest between rounds."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Taken:
    """MB of all processes together."""

    rss: float
    """Resident in each, added up: what they share counts for each of them. The strict figure."""
    pss: float
    """What they share is divided among those that share it: what the host really gives."""
    peak: float
    """The most that each ever had resident, added up, as if all had it at the same moment."""
    processes: int


class Factory:
    """The factory, as a process that runs rounds when it is told to."""

    def __init__(self, conf: Path, log: Path) -> None:
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.factory", str(conf)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
            )  # fmt: skip

    def run(self, rounds: int) -> float:
        """Seconds that each of so many rounds took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(rounds, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the factory of the benchmark has ended")
        return float(answer)

    def taken(self) -> Taken:
        """Memory of its processes."""
        family = self._family()
        each = [(_kb(pid, "smaps_rollup"), _kb(pid, "status")) for pid in family]
        return Taken(
            sum(maps.get("Rss", 0) for maps, _ in each) / 1024,
            sum(maps.get("Pss", 0) for maps, _ in each) / 1024,
            sum(status.get("VmHWM", 0) for _, status in each) / 1024,
            len(family),
        )

    def by_process(self) -> list[tuple[int, float, float]]:
        """Process, RSS and PSS in MB."""
        found = [(pid, _kb(pid, "smaps_rollup")) for pid in self._family()]
        return [(pid, maps.get("Rss", 0) / 1024, maps.get("Pss", 0) / 1024) for pid, maps in found]

    def stop(self) -> None:
        """End it."""
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
                    continue  # it has ended
        family = {self._process.pid}
        while more := {pid for pid, parent in parents.items() if parent in family} - family:
            family |= more
        return sorted(family)


def _kb(pid: int, name: str) -> dict[str, int]:
    """Lines such as ``Rss:  123 kB`` of a file in /proc."""
    try:
        lines = Path(f"/proc/{pid}/{name}").read_text().splitlines()
    except OSError:
        return {}
    parts = [line.split() for line in lines if line.endswith(" kB")]
    return {part[0].rstrip(":"): int(part[1]) for part in parts}
