"""Commands to the machines of a round or an audit: none is waited for long, and all together have a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock

from factory.condor.tools import run as tools

PARALLEL = 16
"""Commands at once; each waits for a network most of the time."""
_TOGETHER = 2
"""Commands of one round, or of one audit, get so many times the time of one, in all."""
_LEAST_S = 1
"""A command that would get less time is not begun: it could only be killed half-way."""


class NotBegun(tools.ToolError):
    """The commands before this one took all the time; the next round comes back to it."""


@dataclass
class CommandBudget:
    """Runs commands to machines, from any number of threads.

    No command begins, and none goes on, later than ``2 × timeout_s`` after the first one began. So machines that
    nobody can reach cost a round that much, however many they are.
    """

    timeout_s: float
    """For one command."""
    keep_fds: tuple[int, ...] = ()
    """Descriptors that commands inherit: the lock that a successor waits for."""
    clock: Callable[[], float] = time.monotonic
    _until: float | None = None
    _guard: Lock = field(default_factory=Lock)

    def run(self, argv: Sequence[str]) -> str:
        """Standard output of the command.

        Raises:
            NotBegun: there was no time left for it.
            ToolError: it failed, or took too long; then its effect is unknown.
        """
        limit_s = min(self.timeout_s, self._left_s())
        if limit_s < min(_LEAST_S, self.timeout_s):
            raise NotBegun(f"not tried: the commands of this round took {_TOGETHER * self.timeout_s:.0f} s already")
        return tools.run_tool(argv, limit_s, self.keep_fds)

    def _left_s(self) -> float:
        now = self.clock()
        with self._guard:
            if self._until is None:
                self._until = now + _TOGETHER * self.timeout_s
            return self._until - now
