"""The factory's own files: locks, status, journal, user-data of VMs that have no instance yet.

A factory that loses them can go on (rule 1).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_LOCK_PATIENCE_S = 0.5
"""Patience for the factory lock: ``apf status`` holds it for a moment to see if a factory runs."""


class StateDirError(Exception):
    """The statedir can't be used. The message says why and what to do."""


def write_private(path: Path, content: bytes) -> None:
    """Write a file with mode 0600, whole or not at all. If root writes, it gets the owner of the directory."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            if os.geteuid() == 0:
                owner = path.parent.stat()
                os.fchown(handle, owner.st_uid, owner.st_gid)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(name, path)
    except BaseException:
        os.unlink(name)
        raise


class StateDir:
    """Directory of one factory id below ``[Factory] statedir``."""

    def __init__(self, root: Path, factory_id: str) -> None:
        self.path = root / factory_id
        self.userdata = self.path / "userdata"
        self.logs = self.path / "logs"
        self.marks = self.path / "workers"
        self.status = self.path / "status.json"
        self.journal = self.path / "journal.jsonl"
        self.paused = self.path / "paused.json"
        self.health = self.path / "health.json"
        self.resets = self.path / "health-reset.json"
        self.started = self.path / "started"
        self.factory_lock = self.path / "factory.lock"
        self.workers_lock = self.path / "workers.lock"
        self._lock_descriptors: list[int] = []

    def open(self) -> None:
        """Create the directories with mode 0700.

        Raises:
            StateDirError: they can't be created or belong to another account.
        """
        try:
            for path in (self.userdata, self.marks):
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for path in (self.path, self.userdata, self.marks):
                if path.stat().st_uid != os.geteuid():
                    raise StateDirError(
                        f"{path} belongs to another account; set [Factory] statedir to a directory of ours"
                    )
                path.chmod(0o700)
        except OSError as error:
            raise StateDirError(
                f"statedir {self.path}: {error.strerror}; make it writable or set [Factory] statedir"
            ) from None

    def lock(self, wait_s: float = 60) -> int:
        """Lock this factory id on this host, then wait until the workers of a predecessor are gone (rule 3).

        Returns:
            Descriptor of the workers' lock. Commands inherit it, so that a successor waits for them too.

        Raises:
            StateDirError: another factory with this id runs here, a worker of a predecessor does not end, or a lock
                file can't be opened.
        """
        factory = _open_lock(self.factory_lock)
        deadline = time.monotonic() + _LOCK_PATIENCE_S
        while not _try_lock(factory, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise StateDirError(f"another factory with this id is running: {self.factory_lock} is held")
            time.sleep(0.05)
        workers = _open_lock(self.workers_lock)
        deadline = time.monotonic() + wait_s
        while not _try_lock(workers, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise StateDirError(
                    f"workers of an earlier factory still run after {wait_s:.0f} s; "
                    f"find them with 'fuser -v {self.workers_lock}'"
                )
            time.sleep(0.05)
        fcntl.flock(workers, fcntl.LOCK_SH)
        self._lock_descriptors = [factory, workers]
        return workers

    def next_start(self, now: float) -> float:
        """Return the start time of this factory: now, or just after its predecessor's if the clock was set back.

        Thus a predecessor never looks like a newer factory (rule 10). Call it only while holding the lock.
        """
        try:
            now = max(now, round(float(self.started.read_text()) + 0.001, 3))
        except (OSError, ValueError):
            pass  # no predecessor here
        with contextlib.suppress(OSError):  # a full disk matters only if the clock is set back later
            write_private(self.started, f"{now:.3f}".encode())
        return now

    def unlock(self) -> None:
        """Release the locks."""
        for descriptor in self._lock_descriptors:
            os.close(descriptor)
        self._lock_descriptors = []

    def running(self) -> bool:
        """Return True if a factory with this id runs on this host.

        Raises:
            OSError: no permission to open the lock.
        """
        try:
            descriptor = os.open(self.factory_lock, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return not _try_lock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    def write_status(self, status: dict[str, Any]) -> None:
        """Write ``status.json``, which ``apf status`` shows."""
        write_private(self.status, json.dumps(status, indent=1).encode())

    def add_to_journal(self, entry: dict[str, Any], keep_bytes: int = 50_000_000) -> None:
        """Append one line of history; past ``keep_bytes`` the file becomes ``journal.jsonl.1``."""
        if self.journal.exists() and self.journal.stat().st_size > keep_bytes:
            self.journal.replace(self.journal.with_suffix(".jsonl.1"))
        handle = os.open(self.journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w") as stream:
            stream.write(json.dumps(entry) + "\n")

    def read_resets(self) -> dict[str, float]:
        """Return the time of the last health reset of each queue; ``*``: of all. An unreadable file has none."""
        try:
            resets = json.loads(self.resets.read_bytes())
            return {str(queue): float(when) for queue, when in resets.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def add_resets(self, queues: Iterable[str], now: float) -> None:
        """Record a health reset of these queues.

        Raises:
            OSError: the file can't be written.
        """
        write_private(self.resets, json.dumps({**self.read_resets(), **dict.fromkeys(queues, now)}).encode())

    def sweep_userdata(self, needed: Iterable[str], written_before: float) -> int:
        """Remove user-data files that no VM job needs any more, and return their number.

        Args:
            needed: ``APFVM`` of the VM jobs without an instance, which are the names of their files.
            written_before: Start of the poll that showed these jobs (epoch). Younger files may belong to later jobs.
        """
        keep = set(needed)
        removed = 0
        for path in self.userdata.iterdir():
            if path.name not in keep and path.stat().st_mtime < written_before:
                path.unlink(missing_ok=True)
                removed += 1
        return removed


def _open_lock(lock: Path) -> int:
    try:
        return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateDirError(
            f"{lock} can't be opened: {error.strerror}; free disk space, or remove what is in its place"
        ) from None


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
