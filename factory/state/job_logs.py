"""Removing old output and logs of plain jobs: ``<base>/YYYY-MM-DD/<queue>``, made by the submit plugins."""

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
class Cleaned:
    """What came of a cleaning."""

    removed: int = 0
    """Directories that are gone."""
    failed: tuple[OSError, ...] = ()
    """Why others are still there."""


def days_kept(config: Config) -> dict[str, float]:
    """Days that each queue's logs are kept, by the name of their directory; whether it runs or not.

    Of a queue that does not run, and with which something is wrong, it can't be told: they are kept. Queues that share
    a directory keep it as long as one of them wants.
    """
    kept: dict[str, float] = {}
    sound = {queue.name: queue.settings.keepdays for queue in (*config.queues, *config.disabled_queues)}
    for name in (*sound, *config.disabled):
        days = _days(sound[name], config.factory.keepdays) if name in sound else math.inf
        kept[log_name(name)] = max(days, kept.get(log_name(name), 0))
    return kept


def _days(own: int | None, default: int | None) -> float:
    return (default if own is None else own) or math.inf


def old_directories(base: Path, config: Config, today: date) -> Iterator[Path | OSError]:
    """Log directories that are older than their queue's ``cleanlogs.keepdays``, and what can't be looked into.

    A queue without the key, and a queue that is not configured any more, follow ``[Factory] cleanlogs.keepdays``;
    none or 0 keeps for ever.
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


def clean_logs(base: Path, config: Config, today: date) -> Cleaned:
    """Remove them, and days that are empty then. One that can't be removed is told, and the others go.

    Raises:
        OSError: ``base`` can't be read.
    """
    if not base.is_dir():
        return Cleaned()
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
    return Cleaned(removed, tuple(failed))
