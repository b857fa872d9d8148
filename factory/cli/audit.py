"""``apf audit``: what the schedd, the collector and the clouds have of this factory, and where they disagree."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.table import Table
from rich.text import Text

from factory.audit import Books, Line, books
from factory.cli.options import CONF
from factory.cli.place import nothing
from factory.cli.terminal import Output
from factory.clouds import CloudRows
from factory.condor.pool import PoolRows
from factory.condor.vmjobs import VMJobRows
from factory.config import load
from factory.config.plugins import PluginError, installed
from factory.config.settings import Config, ConfigError, Queue
from factory.model import Unknown
from factory.observe import fetch_all
from factory.plugin import CloudPlugin, Source
from factory.workers import Workers


@click.command()
@CONF
@click.option("--json", "as_json", is_flag=True, help="Print the lines, what is wrong in each, and what is unknown.")
@click.option("--all", "everything", is_flag=True, help="Show the lines too with which nothing is wrong.")
def audit(conf: tuple[Path, ...], as_json: bool, everything: bool) -> None:
    """Compare VM jobs, instances and startds of this factory, joined by APFVM. Changes nothing.

    Asks the schedd, the collector, and each cloud with the credentials of the queue. What happens at this moment may
    look wrong: an instance that ends is gone before its job is. Exit status: 0 if nothing is wrong, 1 if something is
    or a source is unknown, 2 if the configuration can't be used.
    """
    try:
        config = load(conf)
    except ConfigError as error:
        raise nothing(f"the configuration has errors, see 'apf check': {error.problems[0]}") from None
    unknown, found = _books(config)
    if as_json:
        lines = [asdict(line) for line in found.lines]
        click.echo(json.dumps({"lines": lines, "key_pairs": found.key_pairs, "unknown": unknown}, indent=1))
    else:
        _show(found, unknown, everything)
    raise SystemExit(1 if found.wrong or unknown else 0)


def _books(config: Config) -> tuple[list[str], Books]:
    clouds: dict[str, set[str]] = {}
    sources: dict[str, Source] = {}
    for queue in (*config.queues, *config.stopped):
        cloud = _cloud(config, queue)
        if cloud is not None:
            clouds.setdefault(cloud.key, set()).add(queue.name)
            sources[cloud.key] = cloud
            sources |= {source.key: source for source in queue.batchstatus.sources()}
    rows = _fetch(sources)
    unknown = [f"{key}: {value.reason}" for key, value in rows.items() if isinstance(value, Unknown)]
    found = [value for key, value in rows.items() if not isinstance(value, Unknown)]
    jobs = [job for value in found if isinstance(value, VMJobRows) for job in value.jobs]
    pools = [value for value in found if isinstance(value, PoolRows)]
    missing = {VMJobRows: "VM jobs", PoolRows: "machines"}.items()
    if sources and any(not any(isinstance(value, kind) for value in found) for kind, _ in missing):
        return unknown, Books(())
    in_clouds = [value for value in found if isinstance(value, CloudRows)]
    asked = {name for key, names in clouds.items() if isinstance(rows[key], CloudRows) for name in names}
    pool = PoolRows(
        min((each.collector_up_s for each in pools), default=0),
        {vm: row for each in pools for vm, row in each.machines.items()},
        {vm: row for each in pools for vm, row in each.masters.items()},
    )
    instances = {each.id: each for value in in_clouds for each in value.instances}
    keys = sorted({name for value in in_clouds for name in value.key_pairs})
    return unknown, books(jobs, pool, instances.values(), keys, frozenset(asked))


def _cloud(config: Config, queue: Queue) -> Source | None:
    account = queue.batchsubmit.account()
    if account is None:
        return None
    try:
        plugin = installed().get("cloud", account.plugin)
    except PluginError as error:
        raise nothing(str(error)) from None
    made = plugin(queue.settings, plugin.Settings(), config.factory)
    assert isinstance(made, CloudPlugin)
    return made.instances(account)


def _fetch(sources: Mapping[str, Source]) -> dict[str, Any]:
    workers = Workers()
    try:
        return fetch_all(workers, sources)
    finally:
        workers.stop()


def _show(found: Books, unknown: list[str], everything: bool) -> None:
    output = Output()
    shown = [line for line in found.lines if line.wrong or everything]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for name in ("queue", "VM", "job", "instance", "startd", "wrong"):
        table.add_column(name, overflow="fold")
    for line in shown:
        table.add_row(*_cells(line), Text("; ".join(line.wrong), "red"))
    if shown:
        output.put(table)
    for name in found.key_pairs:
        output.put(Text(f"key pair {name}: this factory has no such VM job; it may be another's", "yellow"))
    for text in unknown:
        output.put(Text(f"unknown: {text}", "magenta"))
    wrong = sum(1 for line in found.lines if line.wrong)
    output.put(f"{len(found.lines)} VMs, {wrong} with something wrong, {len(found.key_pairs)} key pairs left")


def _cells(line: Line) -> tuple[str, ...]:
    job = "" if line.job is None else f"{line.job.job} {_STATUS.get(line.job.status, line.job.status)}"
    instances = ", ".join(f"{each.id} {each.state}" for each in line.instances)
    startd = "" if line.startd is None else f"{line.startd.claims} claims"
    return line.queue, line.vm, job, instances, startd or ("master only" if line.master else "")


_STATUS = {1: "idle", 2: "running", 3: "removed", 4: "completed", 5: "held"}
