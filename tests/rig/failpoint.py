"""Run the real factory and kill it with SIGKILL at a step: ``python -m tests.rig.failpoint CONF STEP[+SECONDS] TIME``.

STEP is a name that ``factory.act`` passes to ``after``. It can also be ``audit: before X`` or ``audit: after X``, where
X is a tool that an audit runs, or a function that a worker runs for it. The factory dies when the step is reached for
the TIMEth time, or SECONDS later, during the steps that follow.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from factory.condor.tools import run as tools
from factory.model.actions import Action
from factory.process.workers import Workers
from factory.service.daemon import Daemon

T = TypeVar("T")


class Failpoint:
    """A hook for ``after`` that kills the process at one step."""

    def __init__(self, step: str, time: int) -> None:
        self._step, _, delay = step.partition("+")
        self._delay_s = float(delay or 0)
        self._time = time
        self._reached: Counter[str] = Counter()
        self._guard = threading.Lock()

    def __call__(self, step: str, action: Action) -> None:
        self.reached(step)

    def reached(self, step: str) -> None:
        """Count a step, and kill the process if it is the wanted one."""
        with self._guard:  # stops other threads too
            self._reached[step] += 1
            if step != self._step or self._reached[step] != self._time:
                return
            if not self._delay_s:
                os.kill(os.getpid(), signal.SIGKILL)
        threading.Timer(self._delay_s, os.kill, (os.getpid(), signal.SIGKILL)).start()


def watch_audits(failpoint: Failpoint) -> None:
    """Report every tool and every worker call of an audit to the failpoint, before and after it."""
    run, call = tools.run_tool, Workers.call

    @contextmanager
    def step(name: str) -> Iterator[None]:
        audit = any(frame.f_globals["__name__"] == "factory.audit.cleanup" for frame, _ in traceback.walk_stack(None))
        if audit:
            failpoint.reached(f"audit: before {name}")
        yield
        if audit:
            failpoint.reached(f"audit: after {name}")

    def run_reported(argv: Sequence[str], timeout_s: float, keep_fds: Sequence[int] = ()) -> str:
        with step(argv[0]):
            return run(argv, timeout_s, keep_fds)

    def call_reported(
        workers: Workers, address: str, deadline_s: float, function: Callable[..., T], *args: object
    ) -> T:
        with step(function.__name__):
            return call(workers, address, deadline_s, function, *args)

    tools.run_tool = run_reported
    Workers.call = call_reported  # type: ignore[assignment]


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    point = Failpoint(sys.argv[2], int(sys.argv[3]))
    watch_audits(point)
    Daemon([Path(sys.argv[1])], point).run()
