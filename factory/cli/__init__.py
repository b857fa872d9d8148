"""The command ``apf``: the service, and what people ask of it."""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path

import click

from factory.cli.audit import audit
from factory.cli.chain import chain
from factory.cli.check import check
from factory.cli.explain import explain
from factory.cli.health import health
from factory.cli.lease import lease
from factory.cli.options import CONF
from factory.cli.pause import pause, resume
from factory.cli.status import status
from factory.config.settings import ConfigError


@click.group(invoke_without_command=True)
@CONF
@click.option("--once", is_flag=True, help="Run one round of all queues and end.")
@click.option("-d", "--debug", is_flag=True, help="Log more.")
@click.version_option(package_name="apf", prog_name="apf")
@click.pass_context
def main(context: click.Context, conf: tuple[Path, ...], once: bool, debug: bool) -> None:
    """Elastic cloud factory for HTCondor. Without a command: run as a service in the foreground."""
    if context.invoked_subcommand is None:
        logging.basicConfig(
            level=logging.DEBUG if debug else logging.INFO,
            format="%(asctime)s %(levelname)s %(message)s",
            stream=sys.stderr,
        )
        logging.getLogger("apscheduler").setLevel(logging.WARNING)
        serve(conf, once)


def serve(conf: tuple[Path, ...], once: bool) -> None:
    """Run the factory; a configuration or a state directory that can't be used ends it with status 1.

    Status 70 (``EX_SOFTWARE``): one round after the other met an unexpected error; start it anew.
    """
    from factory.daemon import Daemon
    from factory.rounds import RoundsBroken
    from factory.statedir import StateDirError

    # A reload that comes while the factory starts must not end it; the service puts its own handler here.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        Daemon(conf).run(once)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
        raise SystemExit(1) from None
    except StateDirError as error:
        click.echo(f"apf: {error}", err=True)
        raise SystemExit(1) from None
    except RoundsBroken as error:
        click.echo(f"apf: {error}", err=True)
        raise SystemExit(os.EX_SOFTWARE) from None


for command in (audit, chain, check, explain, health, lease, pause, resume, status):
    main.add_command(command)
