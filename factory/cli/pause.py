"""``apf pause`` and ``apf resume``: hands off some queues, or the whole factory. Works whether it runs or not."""

from __future__ import annotations

import difflib
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from factory.cli.options import CONF
from factory.cli.place import Place, find_place, nothing_to_do
from factory.settings.factory import account
from factory.state.directory import StateDirError
from factory.state.pauses import Pause, Pauses, PausesError, changing_pauses

_QUEUES = click.argument("queues", metavar="[QUEUE]...", nargs=-1)


@click.command()
@CONF
@click.option("--why", default="", help="Shown wherever the pause is shown.")
@_QUEUES
def pause(conf: tuple[Path, ...], why: str, queues: tuple[str, ...]) -> None:
    """Do nothing at all for these queues, or for the whole factory, until 'apf resume'.

    Nothing is bought, retired, taken back, released or removed, from the next round on, also by a factory that is
    started anew. Machines that exist live on: their jobs run, new ones start there, and they end by what they have
    themselves: their lease, and their own shutdown when they are unclaimed for long.
    """
    where = find_place(conf)
    known_queues(where.queues, queues)
    now = Pause(time.time(), _who(), " ".join(why.split()))
    _change(where, lambda pauses: pauses.paused(queues, now))


@click.command()
@CONF
@_QUEUES
def resume(conf: tuple[Path, ...], queues: tuple[str, ...]) -> None:
    """Go on with these queues, or with the factory as a whole; queues that were paused by name stay so then."""
    where = find_place(conf)

    def resumed(pauses: Pauses) -> Pauses:
        known_queues((*where.queues, *pauses.queues), queues)
        return pauses.resumed(queues)

    pauses = _change(where, resumed)
    if queues and pauses.factory is not None:
        click.echo(f"the whole factory is {pauses.factory}; 'apf resume' goes on with it")


def _change(where: Place, change: Callable[[Pauses], Pauses]) -> Pauses:
    statedir = where.statedir
    try:
        if not statedir.path.exists():
            statedir.open()
        with changing_pauses(statedir.paused) as held:
            held[0] = change(held[0])
        pauses = held[0]
    except StateDirError as error:
        raise nothing_to_do(str(error)) from None
    except PausesError as error:
        raise nothing_to_do(f"{error}; run this as {where.factory.owner} or as root") from None
    _show(pauses)
    return pauses


def _show(pauses: Pauses) -> None:
    if pauses.factory is not None:
        click.echo(f"the whole factory: {pauses.factory}")
    for name, found in sorted(pauses.queues.items()):
        click.echo(f"{name}: {found}")
    if pauses == Pauses():
        click.echo("nothing is paused")


def known_queues(known: Iterable[str], wanted: Iterable[str]) -> None:
    """End the command if one of the wanted queues does not exist."""
    names = sorted(set(known))
    for name in wanted:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            raise nothing_to_do(f"there is no queue {name!r}" + (f"; did you mean {near[0]}?" if near else ""))


def _who() -> str:
    """The account, and who became it by sudo."""
    before = os.environ.get("SUDO_USER", "")
    return f"{before} as {account()}" if before else account()
