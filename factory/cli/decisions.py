"""A queue's part of a round for people: steps, reasons, actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from factory.cli.terminal import Output

_OUTCOME = {"submit": "green", "retire": "yellow", "none": "", "hold": "bold magenta"}


def outcome_text(report: Mapping[str, Any]) -> Text:
    """``submit 4``, ``retire 2``, ``none`` or ``hold``."""
    n = abs(report["n"] or 0)
    return Text(f"{report['outcome']}{f' {n}' if n else ''}", _OUTCOME[report["outcome"]])


def show_decision(output: Output, report: Mapping[str, Any], actions: Sequence[tuple[str, str, str]]) -> None:
    """Name and outcome, then a line for each step, note and action."""
    head = Text(report["queue"], "bold").append("  ").append_text(outcome_text(report))
    output.put(head)
    steps = grid()
    for step in report["steps"]:
        steps.add_row("", step["plugin"], arrow(step), step["reason"])
    if report["hold"]:
        steps.add_row("", "hold", "", Text(report["hold"], "magenta"))
    for note in report["notes"]:
        steps.add_row("", "note", "", note)
    for kind, target, reason in actions:
        steps.add_row("", Text(f"→ {kind}", "cyan"), "", f"{target}: {reason}")
    if steps.row_count:
        output.put(steps)


def grid() -> Table:
    """Indented columns: a name, a number, a text that may wrap."""
    table = Table.grid(padding=(0, 2))
    table.add_column(width=0)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def arrow(step: Mapping[str, Any]) -> Text:
    """What a step made of n; a step that changed nothing is dim."""
    return Text(f"{step['n_in']} → {step['n_out']}", "" if step["n_in"] != step["n_out"] else "dim")
