"""Time budget for the commands to machines in one round or audit."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock

from factory.condor.tools import run as tools

PARALLEL = 16
"""Commands at once; each waits for the network most of the time."""
_TIMEOUTS_IN_ALL = 2
"""All commands of one round or audit together get this many times the timeout of one."""
_LEAST_S = 1
"""A command with less time left is not started: it could only be killed half-way."""


class NotBegun(tools.ToolError):
    """Earlier commands used up the time budget. The next round tries again."""


@dataclass
class CommandBudget:
    """Runner of commands to machines, for any number of threads.

    No command starts or runs later than ``2 × timeout_s`` after the first start. That bounds the time that a round
    loses to unreachable machines, independent of their number.
    """

    timeout_s: float
    """Timeout of one command."""
    keep_fds: tuple[int, ...] = ()
    """Descriptors that commands inherit: the lock that the next factory waits for."""
    clock: Callable[[], float] = time.monotonic
    _until: float | None = None
    _guard: Lock = field(default_factory=Lock)

    def run(self, argv: Sequence[str]) -> str:
        """Run a command and return its standard output.

        Raises:
            NotBegun: no time was left for it.
            ToolError: it failed, or it took too long and its effect is unknown.
        """
        limit_s = min(self.timeout_s, self._left_s())
        if limit_s < min(_LEAST_S, self.timeout_s):
            in_all_s = _TIMEOUTS_IN_ALL * self.timeout_s
            raise NotBegun(
                f"not tried: earlier commands used up the {in_all_s:.0f} s of this round; next round retries"
            )
        return tools.run_tool(argv, limit_s, self.keep_fds)

    def _left_s(self) -> float:
        now = self.clock()
        with self._guard:
            if self._until is None:
                self._until = now + _TIMEOUTS_IN_ALL * self.timeout_s
            return self._until - now
