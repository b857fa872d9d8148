"""``apf audit``: what the schedd, the collector and the clouds have of this factory, and where they disagree."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click
from rich import box
from rich.table import Table
from rich.text import Text

from factory.audit.inventory import VMRecord
from factory.audit.snapshot import Snapshot, take_snapshot
from factory.cli.options import CONF
from factory.cli.place import nothing_to_do
from factory.cli.terminal import Output
from factory.config import load
from factory.config.installed_plugins import PluginError
from factory.config.problems import ConfigError
from factory.config.queues import Config
from factory.model.vm import counted
from factory.process.workers import Workers


@click.command()
@CONF
@click.option("--json", "as_json", is_flag=True, help="Print the lines, what is wrong in each, and what is unknown.")
@click.option("--all", "everything", is_flag=True, help="Show the lines too with which nothing is wrong.")
def audit(conf: tuple[Path, ...], as_json: bool, everything: bool) -> None:
    """Compare VM jobs, instances and startds of this factory, joined by APFVM. Changes nothing.

    Asks the schedd, the collector, and each cloud with the credentials of the queue. What happens at this moment may
    look wrong: an instance that ends is gone before its job is. Exit status: 0 if nothing is wrong, 1 if something is
    or a source is unknown (but not for key pairs that may not be listed), 2 if the configuration can't be used.
    """
    try:
        config = load(conf)
    except ConfigError as error:
        raise nothing_to_do(f"the configuration has errors, see 'apf check': {error.problems[0]}") from None
    seen = _look(config)
    if as_json:
        lines = [asdict(line) for line in seen.inventory.records]
        key_pairs = {"key_pairs": seen.inventory.key_pairs, "unclaimed_key_pairs": seen.inventory.unclaimed}
        known = {"lines": lines, **key_pairs, "unknown": seen.unknown, "notes": seen.notes}
        click.echo(json.dumps(known, indent=1, default=sorted))  # sets
    else:
        _show(seen, everything)
    raise SystemExit(1 if seen.inventory.wrong or seen.unknown else 0)


def _look(config: Config) -> Snapshot:
    workers = Workers()
    try:
        return take_snapshot(config, workers)
    except PluginError as error:
        raise nothing_to_do(str(error)) from None
    finally:
        workers.stop()


def _show(seen: Snapshot, everything: bool) -> None:
    output, found = Output(), seen.inventory
    shown = [line for line in found.records if line.wrong or everything]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for name in ("queue", "VM", "job", "instance", "startd", "wrong"):
        table.add_column(name, overflow="fold")
    for line in shown:
        table.add_row(*_cells(line), Text("; ".join(line.wrong), "red"))
    if shown:
        output.put(table)
    for name in found.key_pairs:
        output.put(Text(f"key pair {name}: its VM job has left the queue", "yellow"))
    for name in found.unclaimed:
        output.put(Text(f"key pair {name}: neither queue nor history shows its job; it may be another's", "yellow"))
    for text in seen.unknown:
        output.put(Text(f"unknown: {text}", "magenta"))
    for text in seen.notes:
        output.put(Text(f"note: {text}", "yellow"))
    wrong = sum(1 for line in found.records if line.wrong)
    output.put(f"{len(found.records)} VMs, {wrong} with something wrong, {len(found.key_pairs)} key pairs left")


def _cells(line: VMRecord) -> tuple[str, ...]:
    job = "" if line.job is None else f"{line.job.job} {_STATUS.get(line.job.status, line.job.status)}"
    instances = ", ".join(f"{each.id} {each.state}" for each in line.instances)
    startd = "" if line.startd is None else counted(line.startd.claims, "claim")
    return line.queue, line.vm, job, instances, startd or ("master only" if line.master else "")


_STATUS = {1: "idle", 2: "running", 3: "removed", 4: "completed", 5: "held"}
