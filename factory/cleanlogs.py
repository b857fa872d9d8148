"""Removing old output and logs of plain jobs: ``<base>/YYYY-MM-DD/<queue>``, made by the submit plugins."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from factory.config.settings import Config

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def log_name(queue: str) -> str:
    """Name of a queue's log directory."""
    return re.sub(r"[/:]", "_", queue)


def old_directories(base: Path, config: Config, today: date) -> Iterator[Path]:
    """Log directories that are older than their queue's ``cleanlogs.keepdays``.

    A queue without the key, and a queue that is not configured any more, follow ``[Factory] cleanlogs.keepdays``;
    none or 0 keeps for ever.
    """
    keep = {log_name(queue.name): queue.settings.keepdays for queue in config.queues}
    for day in sorted(path for path in base.iterdir() if _DAY.fullmatch(path.name)):
        try:
            age = (today - date.fromisoformat(day.name)).days
        except ValueError:
            continue
        for directory in sorted(day.iterdir()):
            keepdays = keep.get(directory.name)
            keepdays = config.factory.keepdays if keepdays is None else keepdays
            if keepdays and age > keepdays and directory.is_dir() and not directory.is_symlink():
                yield directory


def clean_logs(base: Path, config: Config, today: date) -> int:
    """Remove them, and days that are empty then; returns how many were removed.

    Raises:
        OSError: one can't be removed.
    """
    if not base.is_dir():
        return 0
    old = list(old_directories(base, config, today))
    for directory in old:
        shutil.rmtree(directory)
        with contextlib.suppress(OSError):
            directory.parent.rmdir()
    return len(old)
