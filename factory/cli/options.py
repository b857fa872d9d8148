"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path

import click

CONF = click.option(
    "--conf", "conf", multiple=True, type=click.Path(path_type=Path), default=("/etc/apf/queues.conf",),
    show_default=True, help="File or directory with queues; may be given several times.",
)  # fmt: skip
