"""Results as a table, as JSON and as a picture."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Verdict:
    """One limit and its measured value."""

    what: str
    measured: float
    limit: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool:
        """True if the limit is met."""
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


_LESS = (
    "round/less compares with queries that count jobs by autocluster only. These are not sufficient, because groups "
    "differ by owner and accounting group."
)
_MEMORY = (
    "Memory is that of a factory process and its worker processes, idle between two rounds: rss is the sum of their "
    "resident memory, pss divides shared pages among them, peak is the sum of their peaks."
)


def show(points: Sequence[dict[str, Any]], verdicts: Sequence[Verdict]) -> None:
    """Print both tables."""
    console = Console(width=None if sys.stdout.isatty() else 170)
    table = Table(title="One round of a Fit queue and its bare queries (ms, best of several), and memory (MB)")
    names = ["groups", "jobs", "slots", "vms", "autoclusters", "counts", "VM jobs", "bare", "round", "decide"]
    memory = ["rss_mb", "pss_mb", "peak_mb"]
    against = ["bare", "less"]
    for name in ["pool", *names, *(f"round/{other}" for other in against), *memory]:
        table.add_column(name, justify="right")
    for point in points:
        cells = [f"{1000 * v:.0f}" if isinstance(v := point[name], float) else f"{v}" for name in names]
        cells += [f"{point['round'] / point[other]:.2f}" for other in against]
        table.add_row(point["pool"], *cells, *(f"{point[name]:.0f}" for name in memory))
    console.print(table)
    console.print(_LESS)
    console.print(_MEMORY)
    table = Table(title="Limits")
    for name in ("what", "measured", "limit", ""):
        table.add_column(name)
    for verdict in verdicts:
        sign = "≥" if verdict.at_least else "≤"
        table.add_row(
            verdict.what, f"{verdict.measured:.2f} {verdict.unit}", f"{sign} {verdict.limit:g} {verdict.unit}",
            "met" if verdict.met else "[bold red]missed[/]",
        )  # fmt: skip
    console.print(table)


def write(directory: Path, points: Sequence[dict[str, Any]], verdicts: Sequence[Verdict], more: dict[str, Any]) -> None:
    """Write ``bench.json`` and ``bench.png``."""
    directory.mkdir(parents=True, exist_ok=True)
    limits = [{**asdict(verdict), "met": verdict.met} for verdict in verdicts]
    (directory / "bench.json").write_text(json.dumps({"rounds": list(points), "verdicts": limits, **more}, indent=1))
    _picture(directory / "bench.png", points)


def _picture(path: Path, points: Sequence[dict[str, Any]]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 5), layout="constrained")
    labels = [f"{p['groups']:,} groups\n{p['jobs']:,} jobs\n{p['slots']:,} slots\n{p['vms']:,} VMs" for p in points]
    bottom = [0.0] * len(points)
    at = range(len(points))
    for name in ("autoclusters", "counts", "slots query", "VM jobs"):
        values = [1000 * point[name] for point in points]
        axes.bar([i - 0.2 for i in at], values, 0.36, bottom=bottom, label=f"bare: {name}")
        bottom = [b + v for b, v in zip(bottom, values, strict=True)]
    rest = [1000 * (point["round"] - point["decide"]) for point in points]
    axes.bar([i + 0.2 for i in at], rest, 0.36, color="0.55", label="round: observe")
    axes.bar(
        [i + 0.2 for i in at],
        [1000 * p["decide"] for p in points],
        0.36,
        bottom=rest,
        color="0.2",
        label="round: decide",
    )
    axes.set_xticks(list(at), labels)
    axes.set_ylabel("ms, best of several")
    axes.set_title("One round of a Fit queue and its bare queries")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
