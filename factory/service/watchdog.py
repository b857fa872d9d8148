"""A watch on the main thread: a plugin that does not come back is named, and interrupted.

What plugins do while a round is decided is pure and takes milliseconds. One that loops or waits for ever would
stop every queue. So a thread looks once a second at the stack of the main thread; when the same call of a plugin
has been on it for too long, a signal raises :class:`PluginHung` inside that call, which is caught where every
other fault of a plugin is. It reaches Python loops and interruptible waits; a C function that never returns can
only be named in the log.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
import traceback
from types import FrameType, TracebackType
from typing import Self

from factory.model.source import Source
from factory.plugin.base import Plugin
from factory.process.faults import PluginHung

log = logging.getLogger("apf")

LIMIT_S = 10.0
"""A thousand times of what a plugin's part of a round takes."""
_LOOK_S = 1.0
_TRIES = 3
"""Interruptions after which it is said that they do not help."""


class Watchdog:
    """On duty from ``with`` to its end, which must be in the main thread; SIGALRM is its own."""

    def __init__(self, limit_s: float = LIMIT_S, look_s: float = _LOOK_S) -> None:
        self._limit_s = limit_s
        self._look_s = look_s
        self._hung: FrameType | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGALRM, self._interrupt)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()
        self._hung = None
        signal.signal(signal.SIGALRM, self._before)

    def _watch(self) -> None:
        main = threading.main_thread().ident
        assert main is not None
        call: FrameType | None = None
        since, tries = 0.0, 0
        while not self._end.wait(self._look_s):
            now, seen = time.monotonic(), plugin_call(sys._current_frames().get(main))
            if seen is not call:
                call, since, tries = seen, now, 0
            elif call is not None and now - since >= self._limit_s:
                tries += 1
                if tries in (1, _TRIES):
                    self._say(call, main, now - since, tries)
                self._hung = call
                signal.pthread_kill(main, signal.SIGALRM)

    def _say(self, call: FrameType, main: int, for_s: float, tries: int) -> None:
        stack = traceback.format_stack(sys._current_frames().get(main))
        where = " ".join(stack[-1].split())
        then = "it is interrupted" if tries == 1 else "and can't be interrupted: every queue waits for it"
        log.error("%s has not come back for %.0f s, %s; it is at: %s", title(call), for_s, then, where)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """In the main thread, at whatever it does: raises only if that still is part of the call."""
        hung, self._hung = self._hung, None
        while frame is not None and hung is not None:
            if frame is hung:
                raise PluginHung(f"did not come back within {self._limit_s:.0f} s")
            frame = frame.f_back


def plugin_call(frame: FrameType | None) -> FrameType | None:
    """The outermost call of a method of a plugin or a source on a stack."""
    found = None
    while frame is not None:
        if isinstance(_self(frame), Plugin | Source):
            found = frame
        frame = frame.f_back
    return found


def title(call: FrameType) -> str:
    """The call for people: which plugin, of which queue."""
    owner = _self(call)
    if isinstance(owner, Plugin):
        queue = getattr(getattr(owner, "queue", None), "name", "?")
        return f"plugin {type(owner).__name__} of queue {queue} ({call.f_code.co_name})"
    return f"source {type(owner).__name__} ({call.f_code.co_name})"


def _self(frame: FrameType) -> object:
    names = frame.f_code.co_varnames
    return frame.f_locals.get("self") if names[:1] == ("self",) else None
