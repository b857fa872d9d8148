"""The picture of the ramps: jobs above, VMs below, over the same time."""

from __future__ import annotations

from pathlib import Path

from localcloud.demo.evidence import Evidence
from localcloud.demo.report import Report
from localcloud.demo.settings import Settings
from localcloud.demo.sight import VM_STATES
from localcloud.demo.timeline import Steps, jobs_over_time, vms_over_time

_COLOURS = {
    "submitted": "#bdbdbd",
    "booting": "#f2d675",
    "joined": "#b5d99c",
    "busy": "#3a9d5d",
    "idle": "#7fb8e0",
    "retiring": "#f0932b",
    "retired": "#c0392b",
    "held": "#d63bd6",
    "lost": "#7d3c98",
    "done": "#606060",
}


def draw(path: Path, settings: Settings, seen: Evidence, report: Report) -> None:
    """Write the picture as PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    start = min(ramp.began for ramp in seen.ramps)
    figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(11, 7), layout="constrained")
    idle, running = jobs_over_time(seen.jobs)
    moments, states = vms_over_time(seen.journal)
    end = max([*idle.moments, *running.moments, *moments, start + 1]) - start
    for label, steps, colour in (("idle", idle, "#e0a100"), ("running", running, "#3a9d5d")):
        xs, ys = _drawn(steps, start, end)
        above.step(xs, ys, where="post", label=label, color=colour, linewidth=2)
        above.fill_between(xs, ys, step="post", color=colour, alpha=0.2)
    names = [state for state in VM_STATES if state in states]
    below.stackplot(
        [moment - start for moment in moments],
        [states[name] for name in names],
        labels=[name if name != "done" else "ending" for name in names],
        colors=[_COLOURS[name] for name in names],
        step="post",
    )
    below.axhline(settings.max_to_run, color="black", linestyle="--", linewidth=1, label="MaxToRun")
    for ramp in seen.ramps:
        for axes in (above, below):
            axes.axvline(ramp.began - start, color="black", linestyle=":", linewidth=1)
        above.annotate(
            f"{ramp.jobs} jobs submitted", (ramp.began - start, 1), xycoords=("data", "axes fraction"),
            xytext=(4, -4), textcoords="offset points", va="top", fontsize=9,
        )  # fmt: skip
    above.set_ylabel("jobs")
    below.set_ylabel("VMs, as the factory sees them")
    below.set_xlabel("seconds since the first jobs were submitted")
    figure.suptitle(
        f"{report['jobs_completed']} of {report['jobs_submitted']} jobs completed, {report['jobs_evicted']} evicted; "
        f"{report['vms_started']} VMs started, {report['vms_leaked']} leaked (HTCondor {report['htcondor_version']})"
    )
    for axes in (above, below):
        axes.set_xlim(0, end)
        axes.set_ylim(0, axes.get_ylim()[1] * 1.08)
        axes.yaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _drawn(steps: Steps, start: float, end: float) -> tuple[list[float], list[int]]:
    """With a zero at the left and the last count carried on to the right."""
    xs = [0.0, *(max(0.0, moment - start) for moment in steps.moments), end]
    return xs, [0, *steps.counts, steps.counts[-1] if steps.counts else 0]
