"""Remove old output and logs of plain jobs: ``<base>/YYYY-MM-DD/<queue>``, created by the submit plugins."""

from __future__ import annotations

import contextlib
import math
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from factory.config.queues import Config
from factory.plugin.batchsubmit import log_name

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class CleanedLogs:
    """Result of a clean-up."""

    removed: int = 0
    """Number of directories removed."""
    failed: tuple[OSError, ...] = ()
    """Errors for those that could not be removed."""


def days_kept(config: Config) -> dict[str, float]:
    """Return the days that logs are kept, by the name of the queue's directory; disabled queues included.

    Logs of a disabled queue whose section has errors are kept for ever. Queues that share a directory keep it for the
    longest of their times.
    """
    kept: dict[str, float] = {}
    own = {queue.name: queue.settings.keepdays for queue in (*config.queues, *config.disabled_queues)}
    for name in (*own, *config.disabled):
        days = _days(own[name], config.factory.keepdays) if name in own else math.inf
        kept[log_name(name)] = max(days, kept.get(log_name(name), 0))
    return kept


def _days(own: int | None, default: int | None) -> float:
    return (default if own is None else own) or math.inf


def old_directories(base: Path, config: Config, today: date) -> Iterator[Path | OSError]:
    """Yield log directories older than their queue's ``cleanlogs.keepdays``, and errors for unreadable ones.

    A queue without the key, or one that is no longer configured, follows ``[Factory] cleanlogs.keepdays``; none or 0
    keeps logs for ever.
    """
    kept, others = days_kept(config), _days(None, config.factory.keepdays)
    for day in sorted(path for path in base.iterdir() if _DAY.fullmatch(path.name) and path.is_dir()):
        try:
            age = (today - date.fromisoformat(day.name)).days
        except ValueError:
            continue
        try:
            directories = sorted(day.iterdir())
        except OSError as error:
            yield error
            continue
        for directory in directories:
            old = age > kept.get(directory.name, others)
            if old and directory.is_dir() and not directory.is_symlink():
                yield directory


def clean_logs(base: Path, config: Config, today: date) -> CleanedLogs:
    """Remove old log directories, and days that are empty then. An error with one does not stop the others.

    Raises:
        OSError: ``base`` can't be read.
    """
    if not base.is_dir():
        return CleanedLogs()
    removed = 0
    failed: list[OSError] = []
    for directory in list(old_directories(base, config, today)):
        if isinstance(directory, OSError):
            failed.append(directory)
            continue
        try:
            shutil.rmtree(directory)
        except OSError as error:
            failed.append(error)
            continue
        removed += 1
        with contextlib.suppress(OSError):
            directory.parent.rmdir()
    return CleanedLogs(removed, tuple(failed))
