"""The view of a running demo."""

from dataclasses import replace

from rich.console import Console

from localcloud.demo.journal import JournalDecision
from localcloud.demo.progress import Progress
from localcloud.demo.view import LiveView, open_view

DECISION = JournalDecision("Q", 1.0, "retire", -2, "Fit → -2 (2 idle)", actions=("action: retire 2 VMs: idle",))
FIRST = Progress(
    at=1000.0,
    work={"jobs": {"idle": 1, "running": 0, "done": 2}},
    vm_jobs=2,
    vms={"idle": 2},
    instances={"running": 2},
    decisions=(DECISION,),
)


def test_line_view_prints_only_what_changed() -> None:
    console = Console(record=True, width=80, force_terminal=False)
    with open_view(console) as view:
        view.update(FIRST)
        view.update(replace(FIRST, at=1003.0))
        view.update(replace(FIRST, at=1006.5, decisions=(), vms={}))
    assert console.export_text().splitlines() == [
        "   0.0 s  Q: retire 2: Fit → -2 (2 idle)",
        "   0.0 s  Q: action: retire 2 VMs: idle",
        "   0.0 s  jobs: 1 idle, 0 running, 2 done   VMs: 2 idle",
        "   6.5 s  jobs: 1 idle, 0 running, 2 done   VMs: none",
    ]


def test_live_view_draws_work_vms_and_decisions() -> None:
    console = Console(width=80, force_terminal=True)
    with console.capture(), open_view(console) as view:
        assert isinstance(view, LiveView)
        view.update(FIRST)
        drawn = Console(record=True, width=80, force_terminal=False)
        drawn.print(view.picture(FIRST))
    text = drawn.export_text()
    assert "jobs  idle      1 ███" in text
    assert "VMs   idle      2 ██████" in text
    assert "held" not in text
    assert "instances: 2 running" in text
    assert "0 s Q: retire 2: Fit → -2 (2 idle)" in text


def test_progress_is_quiet_when_no_work_vm_or_instance_is_left() -> None:
    quiet = Progress(at=1.0, work={"jobs": {"idle": 0, "running": 0, "done": 3}}, instances={"terminated": 2})
    assert quiet.quiet
    for change in (
        {"work": {"jobs": {"idle": 1}}},
        {"work": {"PanDA jobs": {"activated": 1}}},
        {"vm_jobs": 1},
        {"vms": {"done": 1}},
        {"instances": {"shutting-down": 1}},
    ):
        assert not replace(quiet, **change).quiet
