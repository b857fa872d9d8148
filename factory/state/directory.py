"""The factory's own files: locks, user-data of VMs not yet started, status. Nothing here is needed to go on."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

_LOOKING_S = 0.5
"""Who looks whether a factory runs (``apf status``) holds its lock for a moment."""


class StateDirError(Exception):
    """The state directory can't be used; the message says why and what to do."""


def write_private(path: Path, content: bytes) -> None:
    """Write a file with mode 0600, whole or not at all. It belongs to who owns the directory, also if root writes."""
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
    """``[Factory] statedir``, one directory below it for each factory id."""

    def __init__(self, root: Path, factory_id: str) -> None:
        self.path = root / factory_id
        self.userdata = self.path / "userdata"
        self.logs = self.path / "logs"
        self.status = self.path / "status.json"
        self.journal = self.path / "journal.jsonl"
        self.paused = self.path / "paused.json"
        self.health = self.path / "health.json"
        self.resets = self.path / "health-reset.json"
        self.started = self.path / "started"
        self.factory_lock = self.path / "factory.lock"
        self.workers_lock = self.path / "workers.lock"
        self._held: list[int] = []

    def open(self) -> None:
        """Make the directories, mode 0700.

        Raises:
            StateDirError: they can't be made or written, or others can read them.
        """
        try:
            self.userdata.mkdir(mode=0o700, parents=True, exist_ok=True)
            for path in (self.path, self.userdata):
                if path.stat().st_uid != os.geteuid():
                    raise StateDirError(f"{path} belongs to another account; set [Factory] statedir to one of our own")
                path.chmod(0o700)
        except OSError as error:
            raise StateDirError(
                f"statedir {self.path}: {error.strerror}; make it writable or set [Factory] statedir"
            ) from None

    def lock(self, wait_s: float = 60) -> int:
        """Hold this factory id on this host, and wait until the workers of a predecessor are gone (rule 3).

        Returns the descriptor of the shared lock, which commands inherit so that a successor waits for them too.

        Raises:
            StateDirError: another factory with this id runs here, a predecessor's worker does not end, or a lock can't
                be made.
        """
        factory = _opened(self.factory_lock)
        patience = time.monotonic() + _LOOKING_S
        while not _try_lock(factory, fcntl.LOCK_EX):
            if time.monotonic() > patience:
                raise StateDirError(f"another factory with this id is running: {self.factory_lock} is held")
            time.sleep(0.05)
        workers = _opened(self.workers_lock)
        deadline = time.monotonic() + wait_s
        while not _try_lock(workers, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise StateDirError(
                    f"processes of an earlier factory still run after {wait_s:.0f} s: see who holds {self.workers_lock}"
                )
            time.sleep(0.05)
        fcntl.flock(workers, fcntl.LOCK_SH)
        self._held = [factory, workers]
        return workers

    def next_start(self, now: float) -> float:
        """When this factory started: now, or a moment after its predecessor here did if the clock was set back since.

        So a predecessor never passes for a newer factory (rule 10). Only who holds the lock may ask.
        """
        try:
            now = max(now, round(float(self.started.read_text()) + 0.001, 3))
        except (OSError, ValueError):
            pass  # the first one here
        with contextlib.suppress(OSError):  # a full disk: only a clock that is set back would tell
            write_private(self.started, f"{now:.3f}".encode())
        return now

    def unlock(self) -> None:
        """Let this factory id go."""
        for descriptor in self._held:
            os.close(descriptor)
        self._held = []

    def running(self) -> bool:
        """Whether a factory holds this id on this host.

        Raises:
            OSError: the lock can't be looked at, for want of rights.
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
        """What ``apf status`` shows."""
        write_private(self.status, json.dumps(status, indent=1).encode())

    def add_to_journal(self, entry: dict[str, Any], keep_bytes: int = 50_000_000) -> None:
        """Append one line of history; past ``keep_bytes`` the file becomes ``journal.jsonl.1``."""
        if self.journal.exists() and self.journal.stat().st_size > keep_bytes:
            self.journal.replace(self.journal.with_suffix(".jsonl.1"))
        handle = os.open(self.journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w") as stream:
            stream.write(json.dumps(entry) + "\n")

    def read_resets(self) -> dict[str, float]:
        """When somebody last reset the health of each queue; ``*``: of all. What can't be read is none."""
        try:
            found = json.loads(self.resets.read_bytes())
            return {str(queue): float(when) for queue, when in found.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def add_resets(self, queues: Iterable[str], now: float) -> None:
        """Note that somebody resets the health of these queues now.

        Raises:
            OSError: the file can't be written.
        """
        write_private(self.resets, json.dumps({**self.read_resets(), **dict.fromkeys(queues, now)}).encode())

    def userdata_files(self) -> Iterator[Path]:
        """Files of user-data, named by ``APFVM``."""
        return (path for path in self.userdata.iterdir() if not path.name.startswith("."))

    def sweep_userdata(self, needed: Iterable[str], written_before: float) -> int:
        """Remove the user-data that no VM job needs any more; returns how many files went.

        ``needed``: ``APFVM`` of VM jobs without an instance, from a poll that started at ``written_before``;
        younger files may belong to jobs that the poll did not see.
        """
        keep = set(needed)
        gone = 0
        for path in self.userdata.iterdir():
            if path.name not in keep and path.stat().st_mtime < written_before:
                path.unlink(missing_ok=True)
                gone += 1
        return gone


def _opened(lock: Path) -> int:
    try:
        return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateDirError(f"{lock}: {error.strerror}; make room for it, or remove what is there") from None


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
