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
from factory.state.pauses import Pauses

_COUNTS = ("pending", "running", "retiring", "retired", "held", "lost", "orphans", "suspended", "done")
_ALWAYS = ("pending", "running", "retiring", "held")
"""Columns that stand there also when all queues have none, where there is room."""
_ROOM = 80
_NAME = 20
"""Of a queue's name so much is in one line at least, whatever becomes of the numbers beside it."""
_BAD = {"held": "red", "lost": "red", "orphans": "red", "suspended": "yellow"}


def show(
    output: Output, report: Mapping[str, Any], running: bool, old: bool, vms: bool, now: float, pauses: Pauses
) -> None:
    """Head, queues, decisions, VMs if asked for, sources."""
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
        head.append("  this is old: a round takes too long, or its statedir can't be written; see its log", "yellow")
    if running:
        started = float(str(report["incarnation"]).split(" ", 1)[0] or 0)
        head.append(f"  started {datetime.fromtimestamp(started, UTC):%Y-%m-%d %H:%M} UTC", "dim")
    return head


def broken_text(report: Mapping[str, Any], now: float) -> str | None:
    """What to say of rounds that an unexpected error ended, if the last one was."""
    broken = report.get("broken")
    if broken is None:
        return None
    since = age(now - broken["since"])
    times, error = broken["times"], broken["error"]
    return f"the last {times} rounds, since {since} ago, were ended by an error, see the log: {error}"


def _queues(queues: Sequence[Mapping[str, Any]], now: float, width: int) -> Table:
    """One line for each queue; columns that are empty for all are left out."""
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
    """A count; unknown is not zero, and says so."""
    if name not in counts:
        return Text("?", "magenta")
    n = int(counts[name])
    return Text(f"{n:,}", _BAD.get(name, "") if n else "dim")


def _decision(queue: Mapping[str, Any]) -> Table:
    """Why: the steps of the chain, what is unknown, notes, and what was done."""
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
    """The VMs of a queue, by state and job; their shape is a column only if it differs."""
    shapes = {vm["shape"] for vm in vms}
    only = Text(f"each {shapes.pop()}", "dim") if len(shapes) == 1 else None
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim", caption=only, caption_justify="left")
    for name, width in (("job", 5), ("state", 9), ("claims", 6), ("idle", 6), ("lease", 6), ("instance", 19)):
        right = name in {"claims", "idle", "lease"}
        table.add_column(name, no_wrap=True, min_width=width, justify="right" if right else "left")
    table.add_column("because", overflow="fold", style="dim")
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
    """What the last audit found that nobody owns, what becomes of it, and what could not be asked."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    when = f"{age(now - audit['ended'])} ago" if audit["ended"] else "not yet"
    reaped = f"{audit['reaped']} instances without a VM job terminated since the start" if audit["reaped"] else ""
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


def _sources(sources: Sequence[Mapping[str, Any]], now: float) -> Table:
    """What the decisions rest on, and how old it is."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    table.add_column("source", overflow="fold")
    table.add_column("ago", justify="right", no_wrap=True)
    table.add_column("took", justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for source in sources:
        error = Text(source["error"] or "", "red")
        table.add_row(source["source"], age(now - source["started"]), f"{source['took_s']:.2f} s", error)
    return table


def age(seconds: float) -> str:
    """A time span, short: ``9 s``, ``12 min``, ``3.5 h``, ``2.1 d``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172800 else f"{seconds / 86400:.1f} d"
