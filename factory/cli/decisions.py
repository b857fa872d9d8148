"""Output of a queue's decision for people: steps, reasons, actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from factory.cli.terminal import Output

_OUTCOME = {"submit": "green", "retire": "yellow", "none": "", "blocked": "bold magenta"}


def outcome_text(report: Mapping[str, Any]) -> Text:
    """Return the outcome, such as ``submit 4``, ``retire 2``, ``none`` or ``blocked``."""
    n = abs(report["n"] or 0)
    return Text(f"{report['outcome']}{f' {n}' if n else ''}", _OUTCOME[report["outcome"]])


def show_decision(output: Output, report: Mapping[str, Any], actions: Sequence[tuple[str, str, str]]) -> None:
    """Print name and outcome, then one line for each step, note and action."""
    outcome = outcome_text(report)
    rows = [(step["plugin"], f"{step['n_in']} → {step['n_out']}", step["reason"], "") for step in report["steps"]]
    rows += [("blocked", "", report["blocked"]["text"], "magenta")] if report["blocked"] else []
    rows += [("note", "", note, "") for note in report["notes"]]
    rows += [(f"→ {kind}", "", f"{target}: {reason}", "cyan") for kind, target, reason in actions]
    if not output.terminal:  # hundreds of queues print faster without tables
        wide = [max((len(row[i]) for row in rows), default=0) for i in (0, 1)]
        lines = [f"  {name:<{wide[0]}}  {n:>{wide[1]}}  {text}".rstrip() for name, n, text, _ in rows]
        output.put("\n".join([f"{report['queue']}  {outcome.plain}", *lines]))
        return
    output.put(Text(report["queue"], "bold").append("  ").append_text(outcome))
    table = Table.grid(padding=(0, 2))
    for column in ({"width": 0}, {"no_wrap": True}, {"no_wrap": True, "justify": "right"}, {"overflow": "fold"}):
        table.add_column(**column)
    for name, n, text, style in rows:
        table.add_row("", Text(name, style), n, Text(text, style if style == "magenta" else ""))
    if rows:
        output.put(table)
