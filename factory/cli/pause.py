"""``apf pause`` and ``apf resume``: stop all actions for queues, or for the whole factory, until resumed."""

from __future__ import annotations

import difflib
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from factory.cli.installation import Installation, exit_error, find_installation
from factory.cli.options import CONF
from factory.settings.factory import account
from factory.state.directory import StateDirError
from factory.state.pauses import Pause, Pauses, PausesError, changing_pauses

_QUEUES = click.argument("queues", metavar="[QUEUE]...", nargs=-1)


@click.command()
@CONF
@click.option("--why", default="", help="Reason, shown with the pause.")
@_QUEUES
def pause(conf: tuple[Path, ...], why: str, queues: tuple[str, ...]) -> None:
    """Pause queues, or the whole factory, until 'apf resume'.

    From the next round on nothing is bought, retired, unretired, released or removed, also after a restart of the
    factory. Existing VMs keep running and take new jobs. They end by their lease, or by their own shutdown when they
    have been unclaimed for long.
    """
    installation = find_installation(conf)
    check_queue_names(installation.queues, queues)
    new = Pause(time.time(), _author(), " ".join(why.split()))
    _change(installation, lambda pauses: pauses.paused(queues, new))


@click.command()
@CONF
@_QUEUES
def resume(conf: tuple[Path, ...], queues: tuple[str, ...]) -> None:
    """Resume paused queues, or the whole factory. Without QUEUE, queues that were paused by name stay paused."""
    installation = find_installation(conf)

    def resumed(pauses: Pauses) -> Pauses:
        check_queue_names((*installation.queues, *pauses.queues), queues)
        return pauses.resumed(queues)

    pauses = _change(installation, resumed)
    if queues and pauses.factory is not None:
        click.echo(f"the whole factory is {pauses.factory}; resume it with 'apf resume'")


def _change(installation: Installation, change: Callable[[Pauses], Pauses]) -> Pauses:
    statedir = installation.statedir
    try:
        if not statedir.path.exists():
            statedir.open()
        with changing_pauses(statedir.paused) as held:
            held[0] = change(held[0])
        pauses = held[0]
    except StateDirError as error:
        raise exit_error(str(error)) from None
    except PausesError as error:
        raise exit_error(f"{error}; run this as {installation.factory.owner} or root") from None
    _show(pauses)
    return pauses


def _show(pauses: Pauses) -> None:
    if pauses.factory is not None:
        click.echo(f"the whole factory: {pauses.factory}")
    for name, queue_pause in sorted(pauses.queues.items()):
        click.echo(f"{name}: {queue_pause}")
    if pauses == Pauses():
        click.echo("nothing is paused")


def check_queue_names(known: Iterable[str], wanted: Iterable[str]) -> None:
    """Exit with status 2 if one of the wanted queues does not exist."""
    names = sorted(set(known))
    for name in wanted:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            raise exit_error(f"no queue {name!r}" + (f"; did you mean {near[0]}?" if near else ""))


def _author() -> str:
    """Return the account, preceded by the account that ran sudo."""
    before = os.environ.get("SUDO_USER", "")
    return f"{before} as {account()}" if before else account()
