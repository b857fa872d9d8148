"""Showing what happens: live in a terminal, as plain lines anywhere else."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from localcloud.demo.journal import Entry, acts, outcome, reason
from localcloud.demo.sight import VM_STATES, Sight

COLOURS = {
    "submitted": "grey70",
    "booting": "khaki1",
    "joined": "dark_sea_green",
    "busy": "green3",
    "idle": "sky_blue1",
    "retiring": "orange1",
    "retired": "red3",
    "held": "magenta",
    "lost": "purple",
    "done": "grey42",
}


class Show(Protocol):
    """Where the demo speaks."""

    def say(self, text: str) -> None:
        """Say something that stays."""

    def see(self, sight: Sight) -> None:
        """Show this moment."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def show(console: Console) -> Show:
    """What suits the console."""
    return Screen(console) if console.is_terminal else Lines(console)


def listed(counts: Mapping[str, int]) -> str:
    """VMs by state in a few words."""
    return ", ".join(f"{counts[state]} {state}" for state in VM_STATES if counts.get(state)) or "none"


def told(entry: Entry) -> list[str]:
    """A decision in lines: what and why, then what was done."""
    return [f"{outcome(entry)}: {reason(entry)}", *acts(entry)]


class Lines:
    """Plain lines, one whenever something has changed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._start: float | None = None
        self._last: object = None
        self._told: list[str] = []

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def see(self, sight: Sight) -> None:
        self._start = self._start or sight.at
        clock = f"{sight.at - self._start:6.1f} s  "
        for entry in sight.decisions:
            lines = told(entry)
            if lines != self._told:
                for line in lines:
                    self.say(f"{clock}decision: {line}")
            self._told = lines
        shown = (sight.idle, sight.running, sight.completed, sight.vms)
        if shown != self._last:
            jobs = f"jobs: {sight.idle} idle, {sight.running} running, {sight.completed} done"
            self.say(f"{clock}{jobs}   VMs: {listed(sight.vms)}")
            self._last = shown

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class Screen:
    """A live picture at the bottom of the terminal; what is said scrolls above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=4, transient=True)
        self._decisions: deque[tuple[float, list[str]]] = deque(maxlen=6)
        self._start: float | None = None

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)

    def see(self, sight: Sight) -> None:
        self._start = self._start or sight.at
        elapsed = sight.at - self._start
        for entry in sight.decisions:
            lines = told(entry)
            if not self._decisions or self._decisions[-1][1] != lines:
                self._decisions.append((elapsed, lines))
        self._live.update(Group(Text(f"after {elapsed:.0f} s", style="bold"), self._counts(sight), self._reasons()))

    def _counts(self, sight: Sight) -> Table:
        width = max(10, self._console.width - 26)
        table = Table.grid(padding=(0, 1))
        jobs = {"idle": sight.idle, "running": sight.running, "done": sight.completed}
        most = max(1, sum(jobs.values()), *sight.vms.values())
        scale = min(3.0, width / most)
        for name, count, colour in zip(jobs, jobs.values(), ("yellow", "green3", "grey50"), strict=True):
            table.add_row("jobs", name, str(count), _bar(count, scale, colour))
        table.add_row("", "", "", "")
        for state in VM_STATES:
            count = sight.vms.get(state, 0)
            if count or state not in ("held", "lost", "done"):
                table.add_row("VMs", state, str(count), _bar(count, scale, COLOURS[state]))
        table.add_row("", "", "", "")
        terminated = sight.instances.get("terminated", 0)
        rest = ", ".join(f"{count} {state}" for state, count in sorted(sight.alive.items()))
        table.add_row("cloud", "", "", Text(f"{rest or 'no instance runs'}; {terminated} terminated so far"))
        return table

    def _reasons(self) -> Table:
        table = Table.grid(padding=(0, 1))
        table.add_row("", Text("decisions", style="bold"))
        for elapsed, lines in self._decisions:
            for number, line in enumerate(lines):
                table.add_row(f"{elapsed:5.0f} s" if number == 0 else "", Text(line))
        return table

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()


def _bar(count: int, scale: float, colour: str) -> Text:
    return Text("█" * (max(1, round(count * scale)) if count else 0), style=colour)
