"""What every demo does around its play: a directory that is gone afterwards, an end in order, errors in one line."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console

from localcloud.demo.stage import DemoFailed
from localcloud.demo.terminal import alone_in_the_foreground, terminated_like_interrupted
from localcloud.installation import NoHTCondor
from localcloud.pool import CommandFailed, PoolFailed
from localcloud.process import CloudFailed

INTERRUPTED = 130


def run(demo: Callable[[Path], int], console: Console) -> NoReturn:
    """Run the demo in a directory of its own and exit with its status."""
    if os.geteuid() == 0:
        raise click.ClickException("HTCondor takes no jobs from root: run the demo as an ordinary user")
    alone_in_the_foreground()
    terminated_like_interrupted()
    try:
        # Short, as it names sockets, and never on a network file system.
        with tempfile.TemporaryDirectory(prefix="apf-demo-", ignore_cleanup_errors=True) as directory:
            sys.exit(demo(Path(directory)))
    except KeyboardInterrupt:
        console.print("interrupted; everything has been ended")
        sys.exit(INTERRUPTED)
    except (DemoFailed, NoHTCondor, PoolFailed, CloudFailed, CommandFailed, TimeoutError) as error:
        console.print(f"demo: {error}", style="bold red", markup=False, soft_wrap=True)
        sys.exit(1)
