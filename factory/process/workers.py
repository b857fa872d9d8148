"""Worker processes that can be killed, for every call to HTCondor and every other poll (rule 12).

The Python bindings hold the GIL during every call, so a slow daemon would stop all threads of the factory.
Each address has its own pool, so that a hung daemon never delays another.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pebble.pool.process
from pebble import ProcessExpired, ProcessPool

from factory.process.clock import steady
from factory.process.work_mark import start_marking

# Pebble counts deadlines by the host's clock, so setting it back an hour would extend them by an hour.
vars(pebble.pool.process)["time"] = SimpleNamespace(time=steady, sleep=time.sleep)

T = TypeVar("T")

_PR_SET_PDEATHSIG = 1

_CALLS = 500
"""A worker is replaced after this many calls, because HTCondor's bindings (23.9) leak about 300 bytes per query."""


class CallFailed(Exception):
    """A call in a worker failed; the message is for people."""


class CallTimedOut(CallFailed):
    """A call passed its deadline and its worker was killed; the outcome is unknown."""


def _start_worker(parent: int, lock: str | None, mark: str | None) -> None:
    """Prepare a worker: die with the factory, ignore SIGINT, hold the lock that the next factory waits for (rule 3).

    ``mark``: file that says what the worker is busy with.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if lock is not None:
        fcntl.flock(os.open(lock, os.O_RDWR | os.O_CLOEXEC), fcntl.LOCK_SH)
    start_marking(mark)


class Workers:
    """Pools of worker processes by address. Calls to one address run one after the other.

    Args:
        lock: Lock file that each worker holds.
        calls: Calls after which a worker is replaced.
        marks: Directory for the marks of the workers (``work_mark.py``), which is emptied; None: a temporary one.
    """

    def __init__(self, lock: Path | None = None, calls: int = _CALLS, marks: Path | None = None) -> None:
        self._lock = None if lock is None else str(lock)
        self._calls = calls
        self._temporary = tempfile.TemporaryDirectory(prefix="apf-") if marks is None else None
        self._marks = marks or Path(self._temporary.name if self._temporary is not None else "")
        for old in self._marks.iterdir():
            old.unlink()
        self._pools: dict[str, ProcessPool] = {}
        self._guard = threading.Lock()
        # A worker dies with the thread that started it (PDEATHSIG), so one permanent thread starts them all.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="workers")

    def submit(self, address: str, deadline_s: float, function: Callable[..., T], *args: Any) -> Future[T]:
        """Run ``function(*args)`` in a worker of that address. The deadline starts when the call does."""
        with self._guard:
            pool = self._pools.get(address)
            if pool is None or not pool.active:  # a worker that died while idle has broken its pool
                if pool is not None:
                    pool.stop()  # type: ignore[no-untyped-call]
                pool = self._pools[address] = self._new_pool(address)
            future: Future[T] = pool.schedule(function, args=args, timeout=deadline_s)
        return future

    def _new_pool(self, address: str) -> ProcessPool:
        mark = self._marks / hashlib.sha256(address.encode()).hexdigest()[:16]
        pool = ProcessPool(
            max_workers=1,
            max_tasks=self._calls,
            initializer=_start_worker,
            initargs=(os.getpid(), self._lock, str(mark)),
            context=multiprocessing.get_context("spawn"),
        )
        self._starter.submit(lambda: pool.active).result()  # reading ``active`` starts the pool
        return pool

    def call(self, address: str, deadline_s: float, function: Callable[..., T], *args: Any) -> T:
        """Run ``function(*args)`` in a worker and return the result.

        Raises:
            CallTimedOut: it passed its deadline; the outcome is unknown.
            CallFailed: it raised, or its worker died.
        """
        return call_result(self.submit(address, deadline_s, function, *args), deadline_s)

    def end(self, address: str) -> None:
        """End the worker of an address that is not needed for a while."""
        with self._guard:
            pool = self._pools.pop(address, None)
        if pool is not None:
            pool.stop()  # type: ignore[no-untyped-call]
            pool.join()

    def stop(self) -> None:
        """End all workers, also busy ones."""
        with self._guard:
            for pool in self._pools.values():
                pool.stop()  # type: ignore[no-untyped-call]
            for pool in self._pools.values():
                pool.join()
            self._pools.clear()
        self._starter.shutdown()
        if self._temporary is not None:
            self._temporary.cleanup()


def call_result(future: Future[T], deadline_s: float) -> T:
    """Wait for a submitted call and return its result; errors as in :meth:`Workers.call`."""
    try:
        return future.result()
    except FutureTimeout:
        raise CallTimedOut(f"no answer within {deadline_s:.0f} s") from None
    except ProcessExpired as error:
        raise CallFailed(f"the worker process died: {error}") from None
    except Exception as error:
        raise CallFailed(one_line(error)) from error


def one_line(error: BaseException) -> str:
    """Return an exception as one line, for logs and readings."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
