"""The status of a factory for people, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from factory.cli.decisions import outcome_text
from factory.cli.terminal import Output
from factory.model.vm import counted
from factory.state.pauses import Pauses

_COUNTS = ("pending", "running", "retiring", "retired", "held", "lost", "orphans", "ending", "suspended", "done")
_ALWAYS = ("pending", "running", "retiring", "held")
"""Columns that are shown even if they are zero for all queues, on a terminal of at least ``_ROOM`` columns."""
_ROOM = 80
_NAME = 20
"""Minimum width of the queue column."""
_BAD = {"held": "red", "lost": "red", "orphans": "red", "suspended": "yellow"}


def show(
    output: Output, report: Mapping[str, Any], running: bool, old: bool, vms: bool, now: float, pauses: Pauses
) -> None:
    """Print head, queues, decisions, VMs if ``vms`` is set, the last audit, and sources."""
    output.put(_head(report, running, old, now))
    broken = broken_text(report, now)
    if broken is not None:
        output.put(Text(broken, "bold red"))
    if pauses.factory is not None:
        output.put(Text(f"the whole factory is {pauses.factory}", "bold yellow"))
    for name, pause in sorted(pauses.queues.items()):
        output.put(Text(f"{name} is {pause}", "bold yellow"))
    queues = report["queues"]
    output.put()
    output.put(_queues(queues, now, output.width))
    for queue in queues:
        output.put()
        output.put(_decision(queue))
        if vms and queue["vms"]:
            output.put(_vms(queue["vms"], now))
    audit = report.get("audit") or {}
    if any(audit.get(name) for name in ("orphans", "unknown", "notes", "reaped")):
        output.put()
        output.put(_audit(audit, now))
    output.put()
    output.put(_sources(report["sources"], now))
    if report["disabled"]:
        output.put(Text(f"disabled: {', '.join(report['disabled'])}", "dim"))


def _head(report: Mapping[str, Any], running: bool, old: bool, now: float) -> Text:
    head = Text(f"factory {report['factory']}", "bold")
    head.append("  running", "green") if running else head.append("  not running", "bold red")
    head.append(f"  as of {age(now - report['written'])} ago", "bold yellow" if old else "dim")
    if old and running:
        head.append("  the status is old: a round takes too long or can't write it; see the factory's log", "yellow")
    if running:
        started = float(str(report["incarnation"]).split(" ", 1)[0] or 0)
        head.append(f"  started {datetime.fromtimestamp(started, UTC):%Y-%m-%d %H:%M} UTC", "dim")
    return head


def broken_text(report: Mapping[str, Any], now: float) -> str | None:
    """Return a line on the last rounds, if an unexpected error ended them; None otherwise."""
    broken = report.get("broken")
    if broken is None:
        return None
    times, first = broken["times"], age(now - broken["since"])
    rounds = f"the last round, {first} ago" if times == 1 else f"the last {times} rounds, the first {first} ago"
    return f"unexpected error in {rounds}; see the factory's log: {broken['error']}"


def _queues(queues: Sequence[Mapping[str, Any]], now: float, width: int) -> Table:
    """Return the table of queues; it has no columns that are zero for all queues."""
    always = _ALWAYS if width >= _ROOM else ()
    shown = [name for name in _COUNTS if name in always or any((queue["batch"] or {}).get(name) for queue in queues)]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    name_width = min(_NAME, max((len(queue["queue"]) for queue in queues), default=0))
    table.add_column("queue", style="bold", overflow="fold", min_width=name_width)
    for name in ("ready", *shown):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("decision", no_wrap=True)
    table.add_column("ago", justify="right", no_wrap=True, style="dim")
    for queue in queues:
        wms, batch = queue["wms"] or {}, queue["batch"] or {}
        cells = [_number(wms, "ready"), *(_number(batch, name) for name in shown)]
        table.add_row(queue["queue"], *cells, outcome_text(queue), age(now - queue["decided"]))
    return table


def _number(counts: Mapping[str, Any], name: str) -> Text:
    """Return a count, or "?" if it is unknown."""
    if name not in counts:
        return Text("?", "magenta")
    n = int(counts[name])
    return Text(f"{n:,}", _BAD.get(name, "") if n else "dim")


def _decision(queue: Mapping[str, Any]) -> Table:
    """Return the steps of the chain, what is unknown, notes and actions of one queue."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(queue["queue"])
    blocked = queue["blocked"]["text"] if queue["blocked"] else ""
    for name in ("wms", "batch"):
        unknown = (queue[name] or {}).get("unknown")
        if unknown and unknown not in blocked:
            table.add_row(Text(f"  {name}", "not bold"), "", Text(f"unknown: {unknown}", "magenta"))
    for step in queue["steps"]:
        n = Text(f"{step['n_in']} → {step['n_out']}", "dim" if step["n_in"] == step["n_out"] else "")
        table.add_row(Text(f"  {step['plugin']}", "not bold"), n, step["reason"])
    if blocked:
        table.add_row(Text("  blocked", "not bold magenta"), "", Text(blocked, "magenta"))
    for note in queue["notes"]:
        table.add_row(Text("  note", "not bold"), "", note)
    for action in queue["actions"]:
        text = Text(f"{action['what']}: {action['reason']}")
        if action["error"]:
            text.append(f"  failed: {action['error']}", "red")
        table.add_row(Text(f"  {action['kind']}", "not bold red" if action["error"] else "not bold cyan"), "", text)
    return table


def _vms(vms: Sequence[Mapping[str, Any]], now: float) -> Table:
    """Return the VMs of a queue, by state and job; the shape is a column only if it differs among them."""
    shapes = {vm["shape"] for vm in vms}
    only = Text(f"each {shapes.pop()}", "dim") if len(shapes) == 1 else None
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim", caption=only, caption_justify="left")
    for name, width in (("job", 5), ("state", 9), ("claims", 6), ("unclaimed", 9), ("lease", 6), ("instance", 19)):
        right = name in {"claims", "unclaimed", "lease"}
        table.add_column(name, no_wrap=True, min_width=width, justify="right" if right else "left")
    table.add_column("reason", overflow="fold", style="dim")
    if only is None:
        table.add_column("shape", overflow="fold")
    for vm in sorted(vms, key=lambda vm: (vm["state"], [int(part) for part in vm["job"].split(".")])):
        cells = [
            vm["job"],
            Text(vm["state"], _BAD.get(vm["state"], "")),
            str(vm["claims"] or ""),
            "" if vm["idle_since"] is None else age(now - vm["idle_since"]),
            "" if vm["lease_end"] is None else age(vm["lease_end"] - now),
            vm["instance"] or "",
            vm["why"],
        ]
        table.add_row(*cells, *([vm["shape"]] if only is None else []))
    return table


def _audit(audit: Mapping[str, Any], now: float) -> Table:
    """Return the orphans that the last audit found, what is done about each, and sources that did not answer."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    when = f"{age(now - audit['ended'])} ago" if audit["ended"] else "not yet"
    orphans = counted(audit["reaped"], "orphan")
    reaped = f"{orphans} terminated since the factory started" if audit["reaped"] else ""
    table.add_row("audit", Text(when, "dim"), reaped)
    for orphan in audit["orphans"]:
        text = Text(f"{orphan['kind']} {orphan['name']} {orphan['queue']} {orphan['why']}")
        if orphan["error"]:
            text.append(f"  failed: {orphan['error']}", "red")
        table.add_row(Text("  orphan", "not bold red"), orphan["step"], text)
    for unknown in audit["unknown"]:
        table.add_row(Text("  unknown", "not bold magenta"), "", Text(unknown, "magenta"))
    for note in audit.get("notes", ()):
        table.add_row(Text("  note", "not bold"), "", note)
    return table


_PROBLEMS = 5
"""Ads of one source that are named."""


def _sources(sources: Sequence[Mapping[str, Any]], now: float) -> Table:
    """Return the sources that the decisions use, and the age of each."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    table.add_column("source", overflow="fold")
    table.add_column("ago", justify="right", no_wrap=True)
    table.add_column("took", justify="right", no_wrap=True)
    table.add_column("error", overflow="fold")
    for source in sources:
        error = Text(source["error"] or "", "red")
        table.add_row(source["source"], age(now - source["started"]), f"{source['took_s']:.2f} s", error)
        problems = source.get("problems", [])
        for text in problems[:_PROBLEMS]:
            table.add_row(Text("  note", "not bold"), "", "", text)
        if len(problems) > _PROBLEMS:
            table.add_row(Text("  note", "not bold"), "", "", f"{len(problems) - _PROBLEMS} more like these")
    return table


def age(seconds: float) -> str:
    """Return a time span in short form, such as ``9 s``, ``12 min``, ``3.5 h`` or ``2.1 d``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172800 else f"{seconds / 86400:.1f} d"
