"""The view of a running demo: live in a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from localcloud.demo.journal import JournalDecision
from localcloud.demo.progress import VM_COLOURS, Progress

_RARE = ("held", "lost", "done")
"""VM states that the live view shows only if a VM is in them."""

_WORK_COLOURS = {"idle": "yellow", "activated": "yellow", "running": "green3", "done": "grey50", "finished": "grey50"}


class DemoView(Protocol):
    """Output of a running demo."""

    def say(self, text: str) -> None:
        """Print text that stays."""

    def update(self, progress: Progress) -> None:
        """Show the present moment."""


@contextmanager
def open_view(console: Console) -> Iterator[DemoView]:
    """Open the view that suits the console."""
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4, transient=True) as live:
            yield LiveView(console, live)
    else:
        yield LineView(console)


def state_counts(counts: Mapping[str, int], *, zeros: bool) -> str:
    """Return counts by state as text, with or without zeros."""
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count or zeros) or "none"


class _View:
    """Print text, measure time from the first moment, and pick the decisions that say something new."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._start: float | None = None
        self._last: dict[str, list[str]] = {}

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _elapsed_s(self, progress: Progress) -> float:
        self._start = self._start or progress.at
        return progress.at - self._start

    def _news(self, progress: Progress) -> list[list[str]]:
        """Return the lines of each decision that differ from the queue's previous decision."""
        news = []
        for decision in progress.decisions:
            lines = _lines(decision)
            if lines != self._last.get(decision.queue):
                news.append(lines)
            self._last[decision.queue] = lines
        return news


class LineView(_View):
    """Plain lines, printed when something changes."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._counts = ""

    def update(self, progress: Progress) -> None:
        """Print new decisions and changed counts."""
        clock = f"{self._elapsed_s(progress):6.1f} s  "
        for lines in self._news(progress):
            for line in lines:
                self.say(f"{clock}{line}")
        work = [f"{kind}: {state_counts(states, zeros=True)}" for kind, states in progress.work.items()]
        counts = "   ".join([*work, f"VMs: {state_counts(_in_order(progress.vms), zeros=False)}"])
        if counts != self._counts:
            self.say(clock + counts)
            self._counts = counts


class LiveView(_View):
    """Bars and the latest decisions at the bottom of the terminal; printed text scrolls above them."""

    def __init__(self, console: Console, live: Live) -> None:
        super().__init__(console)
        self._live = live
        self._decisions: deque[tuple[float, list[str]]] = deque(maxlen=6)

    def update(self, progress: Progress) -> None:
        """Redraw."""
        elapsed_s = self._elapsed_s(progress)
        self._decisions.extend((elapsed_s, lines) for lines in self._news(progress))
        self._live.update(self.picture(progress))

    def picture(self, progress: Progress) -> Group:
        """Return the text to draw."""
        clock = Text(f"after {self._elapsed_s(progress):.0f} s", style="bold")
        return Group(clock, self._bars(progress), self._reasons())

    def _bars(self, progress: Progress) -> Table:
        bars = Table.grid(padding=(0, 1))
        most = max(1, *progress.vms.values(), *(sum(states.values()) for states in progress.work.values()))
        scale = min(3.0, max(10, self._console.width - 32) / most)
        for kind, states in progress.work.items():
            for state, count in states.items():
                bars.add_row(kind, state, str(count), _bar(count, scale, _WORK_COLOURS[state]))
            bars.add_row()
        for state, colour in VM_COLOURS.items():
            count = progress.vms.get(state, 0)
            if count or state not in _RARE:
                bars.add_row("VMs", state, str(count), _bar(count, scale, colour))
        bars.add_row()
        bars.add_row("cloud", "", "", Text(f"instances: {state_counts(progress.instances, zeros=False)}"))
        return bars

    def _reasons(self) -> Table:
        reasons = Table.grid(padding=(0, 1))
        reasons.add_row("", Text("decisions", style="bold"))
        for elapsed_s, lines in self._decisions:
            for number, line in enumerate(lines):
                reasons.add_row(f"{elapsed_s:5.0f} s" if number == 0 else "", Text(line))
        return reasons


def _lines(decision: JournalDecision) -> list[str]:
    return [f"{decision.queue}: {line}" for line in decision.lines]


def _in_order(vms: Mapping[str, int]) -> dict[str, int]:
    return {state: vms.get(state, 0) for state in VM_COLOURS}


def _bar(count: int, scale: float, colour: str) -> Text:
    return Text("█" * (max(1, round(count * scale)) if count else 0), style=colour)
