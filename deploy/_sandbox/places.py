"""Where things are: the checkout, the cache, and the paths inside."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
VENV_INSIDE = "/venv"
HOME_INSIDE = "/home/apf"


class Missing(Exception):
    """Something the sandbox needs is not there; the message is one line that says what to do."""


def cache() -> Path:
    """Directory of all builds, made if need be."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(base) / "apf-sandbox"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Missing(f"can't write to {path} ({error.strerror}): set XDG_CACHE_HOME to a writable directory") from None
    return path.resolve()


def say(text: str) -> None:
    """One line of progress, apart from the command's own output."""
    print(f"sandbox: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the build lock ``name``, so that processes which enter at once build once."""
    with open(cache() / f"{name}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process that builds {name}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def prune(directories: Iterable[Path], lock_file: str) -> None:
    """Remove builds that nobody runs in: a bubble holds a lock on ``lock_file`` for as long as it lasts."""
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
    """A fresh directory beside ``target`` that becomes it if the block succeeds; call with the lock held."""
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
