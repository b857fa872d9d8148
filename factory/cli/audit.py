"""``apf audit``: compare the VMs that schedd, collector and clouds show."""

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
from factory.cli.installation import exit_error
from factory.cli.options import CONF
from factory.cli.terminal import Output
from factory.config import load
from factory.config.installed_plugins import PluginError
from factory.config.problems import ConfigError
from factory.config.queues import Config
from factory.model.vm import counted
from factory.process.workers import Workers


@click.command()
@CONF
@click.option("--json", "as_json", is_flag=True, help="Print JSON: all VMs, their problems, and unknown sources.")
@click.option("--all", "everything", is_flag=True, help="Show VMs without a problem too.")
def audit(conf: tuple[Path, ...], as_json: bool, everything: bool) -> None:
    """Compare VM jobs, instances and startds of this factory, joined by APFVM. Nothing is changed.

    Asks the schedd, the collector, and each cloud with the credentials of the queue. A VM that starts or ends at this
    moment can look wrong: its instance disappears before its job. Repeat the audit before you act.

    Exit status: 0 if there is no problem; 1 if there is one or if a source is unknown (key pairs that may not be
    listed don't count); 2 if the configuration can't be used.
    """
    try:
        config = load(conf)
    except ConfigError as error:
        raise exit_error(f"the configuration has errors; run 'apf check': {error.problems[0]}") from None
    snapshot = _take(config)
    inventory = snapshot.inventory
    if as_json:
        lines = [asdict(record) for record in inventory.records]
        key_pairs = {"key_pairs": inventory.key_pairs, "unclaimed_key_pairs": inventory.unclaimed}
        content = {"lines": lines, **key_pairs, "unknown": snapshot.unknown, "notes": snapshot.notes}
        click.echo(json.dumps(content, indent=1, default=sorted))  # sets
    else:
        _show(snapshot, everything)
    raise SystemExit(1 if inventory.wrong or snapshot.unknown else 0)


def _take(config: Config) -> Snapshot:
    workers = Workers()
    try:
        return take_snapshot(config, workers)
    except PluginError as error:
        raise exit_error(str(error)) from None
    finally:
        workers.stop()


def _show(snapshot: Snapshot, everything: bool) -> None:
    output, inventory = Output(), snapshot.inventory
    shown = [record for record in inventory.records if record.wrong or everything]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for name in ("queue", "VM", "job", "instance", "startd", "problem"):
        table.add_column(name, overflow="fold")
    for record in shown:
        table.add_row(*_cells(record), Text("; ".join(record.wrong), "red"))
    if shown:
        output.put(table)
    for name in inventory.key_pairs:
        output.put(Text(f"key pair {name}: its VM job has left the queue", "yellow"))
    for name in inventory.unclaimed:
        output.put(
            Text(f"key pair {name}: its job is in neither queue nor history; it may be another factory's", "yellow")
        )
    for text in snapshot.unknown:
        output.put(Text(f"unknown: {text}", "magenta"))
    for text in snapshot.notes:
        output.put(Text(f"note: {text}", "yellow"))
    vms, wrong = counted(len(inventory.records), "VM"), sum(1 for record in inventory.records if record.wrong)
    output.put(f"{vms}, {wrong} with problems; {counted(len(inventory.key_pairs), 'key pair')} left behind")


def _cells(record: VMRecord) -> tuple[str, ...]:
    job = "" if record.job is None else f"{record.job.job} {_STATUS.get(record.job.status, record.job.status)}"
    instances = ", ".join(f"{each.id} {each.state}" for each in record.instances)
    startd = "" if record.startd is None else counted(record.startd.claims, "claim")
    return record.queue, record.vm, job, instances, startd or ("master only" if record.master else "")


_STATUS = {1: "idle", 2: "running", 3: "removed", 4: "completed", 5: "held"}
