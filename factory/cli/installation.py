"""The factory that a command is about: its [Factory] section and its files, also if the configuration has errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from factory.config import load
from factory.config.all_files import read_all_files
from factory.config.files.sections import local_path
from factory.config.fill.section import Problems
from factory.config.installed_plugins import installed
from factory.config.problems import ConfigError
from factory.settings.factory import FactorySettings
from factory.state.directory import StateDir

_UNSURE_S = 900
"""Age in seconds from which a status is old, if the configuration does not tell how often a round runs."""


@dataclass(frozen=True)
class Installation:
    """Section [Factory], the names of the queues, and the age in seconds up to which a status is recent."""

    factory: FactorySettings
    queues: tuple[str, ...]
    fresh_s: float

    @property
    def statedir(self) -> StateDir:
        """The state directory of the factory."""
        return StateDir(self.factory.statedir, self.factory.id)


def find_installation(conf: tuple[Path, ...]) -> Installation:
    """Return the installed factory, also if its queues have errors: it may still run with an earlier configuration.

    Raises:
        SystemExit: [Factory] can't be read.
    """
    try:
        config = load(conf)
        sleeps = [queue.settings.sleep for queue in config.queues]
        names = tuple(queue.name for queue in config.queues) + config.disabled
        return Installation(config.factory, names, 3 * min(sleeps, default=_UNSURE_S) + 60)
    except ConfigError as error:
        click.echo(f"apf: the configuration has errors; run 'apf check': {error.problems[0]}", err=True)
    problems = Problems()
    try:
        files = read_all_files([local_path(str(path)) for path in conf], installed(), problems)
    except (ConfigError, ValueError) as error:
        raise exit_error(str(error)) from None
    unread = any(problem.line is None and problem.section is None for problem in problems.all())
    if unread and files.factory == FactorySettings():
        raise exit_error("factory id and statedir are unknown; give the file that has [Factory] with --conf")
    return Installation(files.factory, tuple(files.queues), _UNSURE_S)


@contextmanager
def checked_status(path: Path) -> Iterator[None]:
    """Exit with a message if the code inside can't use the status file: after an upgrade, or if it is damaged."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        text = "is damaged or was written by another version of apf; the factory's next round replaces it"
        raise exit_error(f"{path} {text}") from None


def exit_error(text: str) -> SystemExit:
    """Print why a command can't do anything, and return the exit with status 2."""
    click.echo(f"apf: {text}", err=True)
    return SystemExit(2)
