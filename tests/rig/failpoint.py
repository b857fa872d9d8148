"""Run the real factory and kill it with SIGKILL at a step: ``python -m tests.rig.failpoint CONF STEP[+SECONDS] TIME``.

STEP is a name that ``factory.act`` tells its ``after``; the factory dies when that step is reached for the TIMEth
time, or so many seconds later, which is in the middle of what comes next.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections import Counter
from pathlib import Path

from factory.actions import Action
from factory.daemon import Daemon


class Failpoint:
    """An ``after`` that kills the process."""

    def __init__(self, step: str, time: int) -> None:
        self._step, _, delay = step.partition("+")
        self._delay_s = float(delay or 0)
        self._time = time
        self._seen: Counter[str] = Counter()
        self._guard = threading.Lock()

    def __call__(self, step: str, action: Action) -> None:
        with self._guard:  # other threads get no further either
            self._seen[step] += 1
            if step != self._step or self._seen[step] != self._time:
                return
            if not self._delay_s:
                os.kill(os.getpid(), signal.SIGKILL)
        threading.Timer(self._delay_s, os.kill, (os.getpid(), signal.SIGKILL)).start()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    Daemon([Path(sys.argv[1])], Failpoint(sys.argv[2], int(sys.argv[3]))).run()
