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
from factory.cli.statuspage import show
from factory.cli.terminal import Output
from factory.config import load
from factory.config.everything import read_everything
from factory.config.form import Problems
from factory.config.plugins import installed
from factory.config.read import local_path
from factory.config.settings import ConfigError, FactorySettings
from factory.statedir import StateDir

_UNSURE_S = 900
"""A status older than this is old, where the configuration does not tell how often there is a round."""


@dataclass(frozen=True)
class Status:
    """``status.json``, whether the factory runs, and how old a status may be."""

    report: Mapping[str, Any]
    running: bool
    fresh_s: float
    now: float

    @property
    def age_s(self) -> float:
        """Age of the report."""
        return float(self.now - self.report["written"])


@click.command()
@CONF
@click.option("--json", "as_json", is_flag=True, help="Print status.json, with 'running' added.")
@click.option("--vms", is_flag=True, help="List the VMs of each queue too.")
def status(conf: tuple[Path, ...], as_json: bool, vms: bool) -> None:
    """Show the queues: work, VMs by state, the last decision with its reasons, and the age of what it rests on.

    Needs no HTCondor, only the factory's statedir. Exit status: 0 if there is a status to show, which says whether
    the factory runs; 2 if there is none.
    """
    found = _read(conf)
    if as_json:
        click.echo(json.dumps({**found.report, "running": found.running}, indent=1))
    else:
        show(Output(), found.report, found.running, found.age_s > found.fresh_s, vms, found.now)


def _read(conf: tuple[Path, ...]) -> Status:
    factory, fresh_s = _factory(conf)
    statedir = StateDir(factory.statedir, factory.id)
    try:
        running = statedir.running()
        report = json.loads(statedir.status.read_text(encoding="utf-8"))
    except FileNotFoundError:
        says = "has decided nothing yet" if statedir.path.exists() and running else "has not run here"
        raise _nothing(f"factory {factory.id} {says}: there is no {statedir.status}") from None
    except PermissionError as error:
        raise _nothing(f"{error.filename} is the factory's own; run this as {factory.owner} or as root") from None
    except (OSError, ValueError) as error:
        raise _nothing(f"{statedir.status} can't be read: {error}") from None
    return Status(report, running, fresh_s, time.time())


def _factory(conf: tuple[Path, ...]) -> tuple[FactorySettings, float]:
    """[Factory], also of a configuration whose queues are wrong: the factory may run on with the one before."""
    try:
        config = load(conf)
        sleeps = [queue.settings.sleep for queue in config.queues]
        return config.factory, 3 * min(sleeps, default=_UNSURE_S) + 60
    except ConfigError as error:
        click.echo(f"apf: the configuration has errors, see 'apf check': {error.problems[0]}", err=True)
    try:
        everything = read_everything([local_path(str(path)) for path in conf], installed(), Problems())
    except (ConfigError, ValueError) as error:
        raise _nothing(str(error)) from None
    return everything.factory, _UNSURE_S


def _nothing(text: str) -> SystemExit:
    click.echo(f"apf: {text}", err=True)
    return SystemExit(2)
