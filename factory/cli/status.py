"""``apf status``: what the factory last saw, decided and did. Reads only its files; contacts no daemon."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from factory.cli.installation import Installation, checked_status, exit_error, find_installation
from factory.cli.options import CONF
from factory.cli.statuspage import show
from factory.cli.terminal import Output
from factory.state.pauses import Pauses, PausesError, read_pauses


@dataclass(frozen=True)
class Status:
    """Content of ``status.json``, state of the factory, and the age in seconds up to which a status is recent."""

    report: Mapping[str, Any]
    running: bool
    fresh_s: float
    now: float
    pauses: Pauses

    @property
    def age_s(self) -> float:
        """Age of the report in seconds."""
        return float(self.now - self.report["written"])


@click.command()
@CONF
@click.option("--json", "as_json", is_flag=True, help="Print status.json with 'running' and 'paused' added.")
@click.option("--vms", is_flag=True, help="List the VMs of each queue.")
def status(conf: tuple[Path, ...], as_json: bool, vms: bool) -> None:
    """Show the queues: jobs, VMs by state, the last decision with its reasons, and the age of the data.

    Reads only the factory's statedir and needs no HTCondor. The first line tells if the factory runs.

    Exit status: 0 if there is a status to show; 2 if not.
    """
    installation = find_installation(conf)
    content = _read(installation)
    with checked_status(installation.statedir.status):
        if as_json:
            more = {"running": content.running, "paused": content.pauses.to_json()}
            click.echo(json.dumps({**content.report, **more}, indent=1))
        else:
            old = content.age_s > content.fresh_s
            show(Output(), content.report, content.running, old, vms, content.now, content.pauses)


def _read(installation: Installation) -> Status:
    factory, statedir = installation.factory, installation.statedir
    try:
        running = statedir.running()
        report = json.loads(statedir.status.read_text(encoding="utf-8"))
        pauses = read_pauses(statedir.paused)
    except FileNotFoundError:
        state = "has not finished a round yet" if statedir.path.exists() and running else "has not run on this host"
        raise exit_error(f"factory {factory.id} {state}: no {statedir.status}") from None
    except PausesError as error:
        raise exit_error(str(error)) from None
    except PermissionError as error:
        raise exit_error(f"{error.filename}: permission denied; run this as {factory.owner} or root") from None
    except (OSError, ValueError) as error:
        raise exit_error(f"{statedir.status} can't be read: {error}") from None
    return Status(report, running, installation.fresh_s, time.time(), pauses)
