"""``apf health``: shapes that are not bought, why and until when; ``apf health reset`` tries them at once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.table import Table
from rich.text import Text

from factory.cli.installation import Installation, checked_status, exit_error, find_installation
from factory.cli.options import CONF
from factory.cli.pause import check_queue_names
from factory.cli.statuspage import age, broken_text
from factory.cli.terminal import Output
from factory.health.breakers import ALL
from factory.health.canary import PROVEN


@click.group(invoke_without_command=True)
@CONF
@click.option("--json", "as_json", is_flag=True, help="Print the health part of status.json, by queue.")
@click.pass_context
def health(context: click.Context, conf: tuple[Path, ...], as_json: bool) -> None:
    """Show the last VMs of each shape, and the shapes that are not bought now, with reason and time left.

    Exit status: 0 if there is a status to show; 2 if not.
    """
    if context.invoked_subcommand is not None:
        return
    installation = find_installation(conf)
    report = _report(installation)
    with checked_status(installation.statedir.status):
        _show(report, as_json)


@health.command()
@CONF
@click.argument("queues", metavar="[QUEUE]...", nargs=-1)
def reset(conf: tuple[Path, ...], queues: tuple[str, ...]) -> None:
    """Forget past failures, for these queues or for all. The next round buys these shapes again."""
    installation = find_installation(conf)
    check_queue_names(installation.queues, queues)
    try:
        installation.statedir.add_resets(queues or (ALL,), time.time())
    except OSError as error:
        text = f"{installation.statedir.resets} can't be written: {error.strerror}"
        raise exit_error(f"{text}; run this as {installation.factory.owner} or root") from None


def _show(report: Mapping[str, Any], as_json: bool) -> None:
    by_queue = {queue["queue"]: queue["health"] for queue in report["queues"] if queue.get("health")}
    if as_json:
        click.echo(json.dumps(by_queue, indent=1))
        return
    broken = broken_text(report, time.time())
    if broken is not None:
        Output().put(Text(broken, "bold red"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for name in ("queue", "shape", "last VMs", "state", "reason"):
        table.add_column(name, overflow="fold")
    for queue, entry in by_queue.items():
        for row in (*_rows(entry, time.time()), *_canaries(entry)):
            table.add_row(queue, *row)
    Output().put(table if table.row_count else "no launches are known yet")


def _rows(entry: Mapping[str, Any], now: float) -> Iterator[tuple[str | Text, ...]]:
    breakers, launches = entry["breakers"], entry["launches"]
    for shape in sorted({*breakers, *launches}):
        last = "".join("+" if good else "-" for good in launches.get(shape, ()))
        name = "all shapes" if shape == ALL else shape
        breaker = breakers.get(shape)
        if breaker is None:
            yield name, last, Text("bought", "green"), ""
            continue
        wait = breaker["until"] - now
        state = f"not bought for {age(wait)}" if wait > 0 else "one VM as a probe"
        times = f" ({breaker['times']} times)" if breaker["times"] > 1 else ""
        yield name, last, Text(state, "red" if wait > 0 else "yellow"), f"{breaker['what']}{times}: {breaker['text']}"


def _canaries(entry: Mapping[str, Any]) -> Iterator[tuple[str | Text, ...]]:
    for image, known in sorted(entry.get("canaries", {}).items()):
        good = known == PROVEN
        yield (
            image,
            "",
            Text("canary: proven" if good else "canary", "green" if good else "yellow"),
            "" if good else known,
        )


def _report(installation: Installation) -> Mapping[str, Any]:
    path = installation.statedir.status
    try:
        report: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise exit_error(f"factory {installation.factory.id} has not finished a round yet: no {path}") from None
    except OSError as error:
        raise exit_error(f"{path} can't be read: {error}; run this as {installation.factory.owner} or root") from None
    except ValueError as error:
        raise exit_error(f"{path} can't be read: {error}") from None
    return report
