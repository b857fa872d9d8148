"""The service and the list of commands; each command is imported when it is called."""

from __future__ import annotations

import logging
import os
import signal
import sys
from importlib import import_module
from pathlib import Path

import click

from factory.cli.options import CONF

COMMANDS = {
    "audit": ("audit", "Compare VM jobs, instances and startds of this factory, joined by APFVM."),
    "chain": ("chain", "Evaluate the chain of QUEUE for given numbers, step by step."),
    "check": ("check", "Check the configuration, the files it names, and the pool's limits and policies."),
    "explain": ("explain", "Explain why a job is idle, or what a queue buys and retires, and why."),
    "health": ("health", "Show the last VMs of each shape, and the shapes that are not bought now."),
    "lease": ("lease", "Extend the leases of VMs."),
    "pause": ("pause", "Pause queues, or the whole factory, until 'apf resume'."),
    "resume": ("pause", "Resume paused queues, or the whole factory."),
    "status": ("status", "Show the queues: jobs, VMs by state, the last decision with its reasons."),
}
"""Command → its module in this package, and its purpose in one line."""


class _Commands(click.Group):
    """Group that lists its commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"{__package__}.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.group(cls=_Commands, invoke_without_command=True)
@CONF
@click.option("--once", is_flag=True, help="Run one round of all queues, then exit.")
@click.option("-d", "--debug", is_flag=True, help="Log at level DEBUG.")
@click.version_option(package_name="apf", prog_name="apf")
@click.pass_context
def apf(context: click.Context, conf: tuple[Path, ...], once: bool, debug: bool) -> None:
    """Elastic cloud factory for HTCondor. Without a command, run the service in the foreground."""
    if context.invoked_subcommand is None:
        logging.basicConfig(
            level=logging.DEBUG if debug else logging.INFO,
            format="%(asctime)s %(levelname)s %(message)s",
            stream=sys.stderr,
        )
        logging.getLogger("apscheduler").setLevel(logging.WARNING)
        serve(conf, once)


def serve(conf: tuple[Path, ...], once: bool) -> None:
    """Run the factory; exit with status 1 if the configuration or the state directory can't be used.

    Status 70 (``EX_SOFTWARE``): many rounds in a row met an unexpected error; the service manager restarts the factory.
    """
    # SIGHUP during start-up must not end the factory; the daemon installs its own handler later.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    from factory.config.problems import ConfigError
    from factory.service.daemon import Daemon
    from factory.service.rounds import RoundsBroken
    from factory.state.directory import StateDirError

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
