"""Mark of the thing that a worker is busy with. It outlives the worker and so tells what made it pass its deadline.

A worker that takes too long is killed and says nothing any more. The next worker of the address finds the mark. If the
last one had been busy with that thing for long, the thing is left alone for an hour. One that took long without making
its worker pass the deadline is left alone too.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from factory.process.clock import steady

_MARK = struct.Struct("<16sd")
_NONE = bytes(_MARK.size)
_ALONE_S = 3600
"""Time for which a thing is left alone."""
_LONG_S = 2.0
"""Processor time of one thing that is too long, in seconds."""
_BEFORE_END_S = 5.0
"""A killed worker had been busy with one thing for too long if that began so long before the next worker starts."""


class WorkMark:
    """Mark of one worker, in a file that is mapped into memory; and the things that are left alone, in another.

    A thing is known by its sign: 16 bytes, such as the digest of an ad.
    """

    def __init__(self, path: Path | None = None) -> None:
        """``path``: file of the mark, which is made; None: the mark is of this process only."""
        self._left_alone = None if path is None else path.with_suffix(".json")
        self._alone = self._read()
        if path is None:
            self._map: mmap.mmap = mmap.mmap(-1, _MARK.size)
            return
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.ftruncate(descriptor, _MARK.size)
        self._map = mmap.mmap(descriptor, _MARK.size)
        os.close(descriptor)
        sign, began = _MARK.unpack(self._map[:])
        if began and steady() - began > _BEFORE_END_S:
            self._leave_alone(sign)
        self._map[:] = _NONE

    @contextlib.contextmanager
    def busy_with(self, sign: bytes) -> Iterator[None]:
        """Mark this thing while the block runs."""
        outer, began = self._map[:], time.process_time()
        self._map[:] = _MARK.pack(sign, steady())
        try:
            yield
        finally:
            self._map[:] = outer
            if time.process_time() - began > _LONG_S:
                self._leave_alone(sign)

    def alone_until(self, sign: bytes) -> float | None:
        """Return the epoch until which this thing is left alone; None: it is not."""
        until = self._alone.get(sign)
        return until if until is not None and time.time() < until else None

    def _leave_alone(self, sign: bytes) -> None:
        now = time.time()
        self._alone = {each: until for each, until in self._alone.items() if until > now} | {sign: now + _ALONE_S}
        if self._left_alone is not None:
            new = self._left_alone.with_suffix(".new")
            new.write_text(json.dumps({each.hex(): until for each, until in self._alone.items()}))
            new.replace(self._left_alone)

    def _read(self) -> dict[bytes, float]:
        if self._left_alone is None:
            return {}
        try:
            known = json.loads(self._left_alone.read_text())
            return {bytes.fromhex(sign): float(until) for sign, until in known.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}  # the first worker, or a file that was cut off


_of_this_process = WorkMark()


def work_mark() -> WorkMark:
    """Return the mark of this worker."""
    return _of_this_process


def start_marking(path: str | None) -> None:
    """Use the mark in this file from now on, and leave alone what the last worker was busy with when it was killed."""
    global _of_this_process  # noqa: PLW0603 - a worker has one mark, and calls from deep inside set it
    _of_this_process = WorkMark(None if path is None else Path(path))
