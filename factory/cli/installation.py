"""Where a factory has its files, for commands that must work with whatever configuration there is."""

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
"""A status older than this is old, where the configuration does not tell how often there is a round."""


@dataclass(frozen=True)
class Place:
    """[Factory], the names of the queues, and how old a status may be."""

    factory: FactorySettings
    queues: tuple[str, ...]
    fresh_s: float

    @property
    def statedir(self) -> StateDir:
        """The factory's files."""
        return StateDir(self.factory.statedir, self.factory.id)


def find_place(conf: tuple[Path, ...]) -> Place:
    """[Factory], also of a configuration whose queues are wrong: the factory may run on with the one before."""
    try:
        config = load(conf)
        sleeps = [queue.settings.sleep for queue in config.queues]
        names = tuple(queue.name for queue in config.queues) + config.disabled
        return Place(config.factory, names, 3 * min(sleeps, default=_UNSURE_S) + 60)
    except ConfigError as error:
        click.echo(f"apf: the configuration has errors, see 'apf check': {error.problems[0]}", err=True)
    problems = Problems()
    try:
        files = read_all_files([local_path(str(path)) for path in conf], installed(), problems)
    except (ConfigError, ValueError) as error:
        raise nothing_to_do(str(error)) from None
    unread = any(found.line is None and found.section is None for found in problems.all())
    if unread and files.factory == FactorySettings():
        raise nothing_to_do("so nobody knows which factory is meant, or where its statedir is")
    return Place(files.factory, tuple(files.queues), _UNSURE_S)


@contextmanager
def showing(path: Path) -> Iterator[None]:
    """Around what shows a file that the factory wrote, maybe before an upgrade."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        text = "is of another version, or damaged: the factory writes it anew with its next round"
        raise nothing_to_do(f"{path} {text}") from None


def nothing_to_do(text: str) -> SystemExit:
    """Say why a command can do nothing; exit status 2."""
    click.echo(f"apf: {text}", err=True)
    return SystemExit(2)
