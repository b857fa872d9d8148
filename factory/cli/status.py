"""``apf status``: what the factory last saw, decided and did. Reads its files only, asks no daemon."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from factory.cli.options import CONF
from factory.cli.place import Place, find_place, nothing_to_do, showing
from factory.cli.statuspage import show
from factory.cli.terminal import Output
from factory.state.pauses import Pauses, PausesError, read_pauses


@dataclass(frozen=True)
class Status:
    """``status.json``, whether the factory runs, and how old a status may be."""

    report: Mapping[str, Any]
    running: bool
    fresh_s: float
    now: float
    pauses: Pauses

    @property
    def age_s(self) -> float:
        """Age of the report."""
        return float(self.now - self.report["written"])


@click.command()
@CONF
@click.option("--json", "as_json", is_flag=True, help="Print status.json, with 'running' and 'paused' added.")
@click.option("--vms", is_flag=True, help="List the VMs of each queue too.")
def status(conf: tuple[Path, ...], as_json: bool, vms: bool) -> None:
    """Show the queues: work, VMs by state, the last decision with its reasons, and the age of what it rests on.

    Needs no HTCondor, only the factory's statedir. Exit status: 0 if there is a status to show, which says whether
    the factory runs; 2 if there is none.
    """
    where = find_place(conf)
    found = _read(where)
    with showing(where.statedir.status):
        if as_json:
            more = {"running": found.running, "paused": found.pauses.to_json()}
            click.echo(json.dumps({**found.report, **more}, indent=1))
        else:
            show(Output(), found.report, found.running, found.age_s > found.fresh_s, vms, found.now, found.pauses)


def _read(where: Place) -> Status:
    factory, statedir = where.factory, where.statedir
    try:
        running = statedir.running()
        report = json.loads(statedir.status.read_text(encoding="utf-8"))
        pauses = read_pauses(statedir.paused)
    except FileNotFoundError:
        says = "has decided nothing yet" if statedir.path.exists() and running else "has not run here"
        raise nothing_to_do(f"factory {factory.id} {says}: there is no {statedir.status}") from None
    except PausesError as error:
        raise nothing_to_do(str(error)) from None
    except PermissionError as error:
        raise nothing_to_do(f"{error.filename} is the factory's own; run this as {factory.owner} or as root") from None
    except (OSError, ValueError) as error:
        raise nothing_to_do(f"{statedir.status} can't be read: {error}") from None
    return Status(report, running, where.fresh_s, time.time(), pauses)
