"""Watchdog of the main thread: name and interrupt a plugin call that does not return.

Plugins are pure and take milliseconds while a round is decided. One that loops or waits for ever would stop every
queue. So a thread looks at the stack of the main thread once a second. If the same plugin call has been on it for too
long, a signal raises :class:`PluginHung` inside that call; it is handled like every other fault of a plugin. This
interrupts Python loops and interruptible waits. A C function that never returns can only be named in the log.
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
"""Limit for one plugin call: a thousand times its usual duration."""
_LOOK_S = 1.0
_TRIES = 3
"""Interruptions without effect after which the log says so."""


class Watchdog:
    """Context manager that watches the main thread, where it must be entered. Takes over SIGALRM."""

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
            now, current = time.monotonic(), plugin_call(sys._current_frames().get(main))
            if current is not call:
                call, since, tries = current, now, 0
            elif call is not None and now - since >= self._limit_s:
                tries += 1
                if tries in (1, _TRIES):
                    self._report(call, main, now - since, tries)
                self._hung = call
                signal.pthread_kill(main, signal.SIGALRM)

    def _report(self, call: FrameType, main: int, for_s: float, tries: int) -> None:
        stack = traceback.format_stack(sys._current_frames().get(main))
        where = " ".join(stack[-1].split())
        then = "interrupting it" if tries == 1 else "it can't be interrupted, so every queue waits"
        log.error("%s has not returned for %.0f s; %s; it is at: %s", title(call), for_s, then, where)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """Handle SIGALRM in the main thread: raise only if the hanging call is still on the stack."""
        hung, self._hung = self._hung, None
        while frame is not None and hung is not None:
            if frame is hung:
                raise PluginHung(f"did not return within {self._limit_s:.0f} s")
            frame = frame.f_back


def plugin_call(frame: FrameType | None) -> FrameType | None:
    """Return the outermost call of a method of a plugin or source on a stack; None if there is none."""
    outermost = None
    while frame is not None:
        if isinstance(_self(frame), Plugin | Source):
            outermost = frame
        frame = frame.f_back
    return outermost


def title(call: FrameType) -> str:
    """Return plugin, queue and method of a call, for people."""
    owner = _self(call)
    if isinstance(owner, Plugin):
        queue = getattr(getattr(owner, "queue", None), "name", "?")
        return f"plugin {type(owner).__name__} of queue {queue} ({call.f_code.co_name})"
    return f"source {type(owner).__name__} ({call.f_code.co_name})"


def _self(frame: FrameType) -> object:
    names = frame.f_code.co_varnames
    return frame.f_locals.get("self") if names[:1] == ("self",) else None
