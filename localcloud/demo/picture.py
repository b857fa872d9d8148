"""The picture: jobs above, VMs below, over time."""

from __future__ import annotations

from pathlib import Path

from localcloud.demo.evidence import Evidence
from localcloud.demo.progress import VM_COLOURS
from localcloud.demo.report import DemoReport
from localcloud.demo.scenario import Scenario
from localcloud.demo.timeline import Steps, jobs_over_time, vms_over_time


def draw(path: Path, scenario: Scenario, evidence: Evidence, report: DemoReport) -> None:
    """Draw the picture and write it as PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    start = min(ramp.began for ramp in evidence.ramps)
    figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(11, 7), layout="constrained")
    idle, running = jobs_over_time(evidence.jobs)
    moments, states = vms_over_time(evidence.journal, scenario.vm_queue)
    end = max([*idle.moments, *running.moments, *moments, start + 1]) - start
    for label, steps, colour in (("idle", idle, "#e0a100"), ("running", running, "#3a9d5d")):
        xs, ys = _drawn(steps, start, end)
        above.step(xs, ys, where="post", label=label, color=colour, linewidth=2)
        above.fill_between(xs, ys, step="post", color=colour, alpha=0.2)
    names = [state for state in VM_COLOURS if state in states]
    below.stackplot(
        [moment - start for moment in moments],
        [states[name] for name in names],
        labels=names,
        colors=[VM_COLOURS[name] for name in names],
        step="post",
    )
    below.axhline(report.vms_limit, color="black", linestyle="--", linewidth=1, label="limit (MaxToRun)")
    for ramp in evidence.ramps:
        for axes in (above, below):
            axes.axvline(ramp.began - start, color="black", linestyle=":", linewidth=1)
        above.annotate(
            f"{ramp.jobs} jobs submitted", (ramp.began - start, 1), xycoords=("data", "axes fraction"),
            xytext=(4, -4), textcoords="offset points", va="top", fontsize=9,
        )  # fmt: skip
    above.set_ylabel(f"{scenario.noun}s")
    below.set_ylabel("VMs by state, as the factory sees them")
    below.set_xlabel("seconds since the first jobs were submitted")
    figure.suptitle(
        f"{report.jobs_completed} of {report.jobs_submitted} {scenario.noun}s completed, {report.jobs_evicted} evicted;"
        f" {report.vms_started} VMs started, {report.vms_leaked} left behind (HTCondor {report.htcondor_version})"
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
    """Return the points to draw: zero at the left, the last count carried on to the right."""
    xs = [0.0, *(max(0.0, moment - start) for moment in steps.moments), end]
    return xs, [0, *steps.counts, steps.counts[-1] if steps.counts else 0]
