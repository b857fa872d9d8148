"""Paths of the checkout, of the cache and inside the sandbox; locks, and the removal of old builds."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
VENV_INSIDE = "/venv"
PACKAGES_INSIDE = "/packages"
HOME_INSIDE = "/home/apf"
SILENT_S = 2
"""A wait for a lock is reported when it lasts longer."""


class Missing(Exception):
    """Something the sandbox needs is missing; the message is one line that says what to do."""


def cache() -> Path:
    """Return the directory of all builds; make it if needed."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(base) / "apf-sandbox"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Missing(f"can't write to {path} ({error.strerror}): set XDG_CACHE_HOME to a writable directory") from None
    return path.resolve()


def say(text: str) -> None:
    """Print one line of progress, apart from the command's own output."""
    print(f"sandbox: {text}", file=sys.stderr, flush=True)


def replace(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file by way of another one: its readers see old or new, and a hard link keeps the old."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(text)
    scratch.chmod(mode)
    scratch.rename(path)


@contextlib.contextmanager
def locked(name: str, usual: str) -> Iterator[None]:
    """Hold the build lock ``name``, so that processes that start at once build once.

    ``usual`` says how long such a build takes.
    """
    with open(cache() / f"{name}.lock", "w") as lock:
        if not _lock_within(lock.fileno(), SILENT_S):
            say(f"waiting for another process that builds {name}: {usual}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def try_locked(name: str) -> Iterator[bool]:
    """Hold the build lock ``name`` if nobody has it; yields False otherwise."""
    with open(cache() / f"{name}.lock", "w") as lock:
        yield _lock_within(lock.fileno(), 0)


def _lock_within(lock: int, limit_s: float) -> bool:
    deadline = time.monotonic() + limit_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        else:
            return True


def prune(directories: Iterable[Path], lock_file: str) -> None:
    """Remove builds that are not in use: a bubble holds a lock on ``lock_file`` for as long as it lasts."""
    for directory in directories:
        try:
            with open(directory / lock_file, "r+b") as held:
                fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(directory, ignore_errors=True)
        except FileNotFoundError:
            shutil.rmtree(directory, ignore_errors=True)
        except OSError:
            continue


@contextlib.contextmanager
def building(target: Path) -> Iterator[Path]:
    """Yield a fresh directory that becomes ``target`` if the block succeeds; call with the lock held."""
    for left in target.parent.glob(f"{target.name}.new*"):
        shutil.rmtree(left, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=f"{target.name}.new", dir=target.parent))
    scratch.chmod(0o755)
    try:
        yield scratch
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    scratch.rename(target)
