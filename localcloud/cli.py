"""The command ``python -m localcloud``."""

import asyncio
import logging
from pathlib import Path

import click

from localcloud.installation import NoHTCondor
from localcloud.machine import Flavour
from localcloud.settings import CloudSettings


@click.command()
@click.option("--port", default=5000, show_default=True, help="TCP port of the API; 0: a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--dir", "directory", required=True, type=click.Path(file_okay=False, path_type=Path), help="Where instances live."
)
@click.option(
    "--flavour", type=click.Choice([str(f) for f in Flavour]), default="amazon", show_default=True, help="Whose EC2."
)
@click.option("--boot-delay", default=1.0, show_default=True, help="Seconds that an instance is pending.")
@click.option("--shutdown-delay", default=1.0, show_default=True, help="Seconds that an instance is shutting down.")
@click.option("--keep-terminated", default=3600.0, show_default=True, help="Seconds that it stays visible afterwards.")
@click.option("--key", "keys", multiple=True, metavar="ID:SECRET", help="A further key pair to accept.")
@click.option("--hook", "hooks", multiple=True, metavar="MODULE:NAME", help="A hook for requests or boots.")
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
    """A cloud in a box: an EC2 API whose instances are real HTCondor startds on this host."""
    try:
        from localcloud.server import serve
    except ModuleNotFoundError as error:
        text = f"needs {error.name}, which comes with an extra of the package: pip install 'apf[localcloud]'"
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
        asyncio.run(serve(settings, host, port, hooks, secret_keys))
    except NoHTCondor as error:
        raise click.ClickException(str(error)) from None
