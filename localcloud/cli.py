"""The command ``apf-localcloud``, also ``python -m localcloud``."""

import asyncio
import logging
from pathlib import Path

import click

from localcloud.installation import NoHTCondor
from localcloud.machine import Flavour
from localcloud.settings import CloudSettings


@click.command()
@click.option("--port", default=5000, show_default=True, help="TCP port of the API; 0 takes a free port.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--dir",
    "directory",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory of credentials, logs and instances.",
)
@click.option(
    "--flavour",
    type=click.Choice([str(f) for f in Flavour]),
    default="amazon",
    show_default=True,
    help="EC2 implementation to imitate.",
)
@click.option("--boot-delay", default=1.0, show_default=True, help="Seconds in state pending.")
@click.option("--shutdown-delay", default=1.0, show_default=True, help="Seconds in state shutting-down.")
@click.option(
    "--keep-terminated",
    default=3600.0,
    show_default=True,
    help="Seconds that DescribeInstances shows a terminated instance.",
)
@click.option("--key", "keys", multiple=True, metavar="ID:SECRET", help="Accept this key pair too.")
@click.option("--hook", "hooks", multiple=True, metavar="MODULE:NAME", help="Add a hook for requests or boots.")
def main(
    port: int,
    host: str,
    directory: Path,
    flavour: str,
    boot_delay: float,
    shutdown_delay: float,
    keep_terminated: float,
    keys: tuple[str, ...],
    hooks: tuple[str, ...],
) -> None:
    """Run an EC2 API whose instances are real HTCondor startds on this host."""
    try:
        from localcloud.server import serve_cloud
    except ModuleNotFoundError as error:
        text = f"the Python package {error.name} is missing; install it: pip install 'apf[localcloud]'"
        raise click.ClickException(text) from None
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = CloudSettings(
        directory=directory.resolve(),
        flavour=Flavour(flavour),
        boot_delay_s=boot_delay,
        shutdown_delay_s=shutdown_delay,
        keep_terminated_s=keep_terminated,
    )
    secret_keys = {access_key: secret for access_key, _, secret in (key.partition(":") for key in keys)}
    try:
        asyncio.run(serve_cloud(settings, host, port, hooks, secret_keys))
    except NoHTCondor as error:
        raise click.ClickException(str(error)) from None
