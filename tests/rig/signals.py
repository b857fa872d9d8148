"""Signals for processes that tests start: the defaults, whatever the parent of the tests ignores."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

DEFAULT_SIGNALS = ("env", "--default-signal=HUP,INT,QUIT")
"""Goes before a command that a test ends by such a signal.

``nohup`` and a shell's background jobs start ``make test`` with these signals ignored, and a process inherits that. The
tests themselves go on ignoring them, so that a closed terminal does not end ``nohup make test``.
"""


@contextmanager
def ignoring(*numbers: signal.Signals) -> Iterator[None]:
    """Ignore signals in this process, as under ``nohup`` or in a shell's background job."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
