"""``apf health``: which shapes are not bought, why and until when; ``apf health reset`` tries them again at once."""

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

from factory.cli.options import CONF
from factory.cli.pause import known_queues
from factory.cli.place import Place, find_place, nothing_to_do, showing
from factory.cli.statuspage import age, broken_text
from factory.cli.terminal import Output
from factory.health.breakers import ALL
from factory.health.canary import PROVEN


@click.group(invoke_without_command=True)
@CONF
@click.option("--json", "as_json", is_flag=True, help="Print what status.json says of it, by queue.")
@click.pass_context
def health(context: click.Context, conf: tuple[Path, ...], as_json: bool) -> None:
    """Show what became of the machines of each shape, and which shapes wait before they are tried again."""
    if context.invoked_subcommand is not None:
        return
    where = find_place(conf)
    report = _report(where)
    with showing(where.statedir.status):
        _show(report, as_json)


@health.command()
@CONF
@click.argument("queues", metavar="[QUEUE]...", nargs=-1)
def reset(conf: tuple[Path, ...], queues: tuple[str, ...]) -> None:
    """Forget why shapes are not bought, in these queues or in all: from the next round on they are."""
    where = find_place(conf)
    known_queues(where.queues, queues)
    try:
        where.statedir.add_resets(queues or (ALL,), time.time())
    except OSError as error:
        text = f"{where.statedir.resets} can't be written: {error.strerror}"
        raise nothing_to_do(f"{text}; run this as {where.factory.owner} or as root") from None


def _show(report: Mapping[str, Any], as_json: bool) -> None:
    found = {queue["queue"]: queue["health"] for queue in report["queues"] if queue.get("health")}
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    broken = broken_text(report, time.time())
    if broken is not None:
        Output().put(Text(broken, "bold red"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for name in ("queue", "shape", "last machines", "is", "because"):
        table.add_column(name, overflow="fold")
    for queue, entry in found.items():
        for row in (*_rows(entry, time.time()), *_canaries(entry)):
            table.add_row(queue, *row)
    Output().put(table if table.row_count else "nothing is known of any shape")


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
        state = f"not bought for {age(wait)}" if wait > 0 else "tried with one machine"
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


def _report(where: Place) -> Mapping[str, Any]:
    path = where.statedir.status
    try:
        report: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise nothing_to_do(f"factory {where.factory.id} has decided nothing yet: there is no {path}") from None
    except OSError as error:
        raise nothing_to_do(f"{path} can't be read: {error}; run this as {where.factory.owner} or as root") from None
    except ValueError as error:
        raise nothing_to_do(f"{path} can't be read: {error}") from None
    return report
