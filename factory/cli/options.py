"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

DEFAULT_CONF = Path("/etc/apf/queues.conf")


def _given(context: click.Context, _param: click.Parameter, value: tuple[Path, ...]) -> tuple[Path, ...]:
    """Accept ``--conf`` before the command too: ``apf --conf FILE check`` is ``apf check --conf FILE``."""
    before = context.parent.params.get("conf") if context.parent is not None else None
    return value or before or (DEFAULT_CONF,)


CONF = click.option(
    "--conf", "conf", multiple=True, type=click.Path(path_type=Path), callback=_given,
    help=f"Configuration file or directory; can be given several times.  [default: {DEFAULT_CONF}]",
)  # fmt: skip
