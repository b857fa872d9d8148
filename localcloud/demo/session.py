"""A session: temporary directory, signals, exit status and one-line errors."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console

from localcloud.demo.terminal import handle_sigterm, take_foreground
from localcloud.demo.testbed import DemoFailed
from localcloud.installation import NoHTCondor
from localcloud.pool import CommandFailed, PoolFailed
from localcloud.process import CloudFailed

INTERRUPTED = 130


def run_session(demo: Callable[[Path], int], console: Console) -> NoReturn:
    """Run the demo in a temporary directory and exit with its status."""
    if os.geteuid() == 0:
        raise click.ClickException("HTCondor accepts no jobs from root; run the demo as an ordinary user")
    take_foreground()
    handle_sigterm()
    try:
        # A short path, since sockets are named after it, and a local file system.
        with tempfile.TemporaryDirectory(prefix="apf-demo-", ignore_cleanup_errors=True) as directory:
            sys.exit(demo(Path(directory)))
    except KeyboardInterrupt:
        console.print("Interrupted; all daemons and VMs have been ended.")
        sys.exit(INTERRUPTED)
    except (DemoFailed, NoHTCondor, PoolFailed, CloudFailed, CommandFailed, TimeoutError) as error:
        console.print(f"demo: {error}", style="bold red", markup=False, soft_wrap=True)
        sys.exit(1)
