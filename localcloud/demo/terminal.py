"""Signals: Ctrl-C reaches the demo alone, which then ends in order."""

import os
import signal
import sys
import types


def take_foreground() -> None:
    """Take the terminal's foreground, as a shell does for a command.

    Otherwise Ctrl-C would also reach the parent, such as the sandbox, which would end at once and the demo with it.
    """
    try:
        ours = os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return
    if ours and os.getpid() != os.getpgrp():
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        os.setpgid(0, 0)
        os.tcsetpgrp(sys.stdin.fileno(), os.getpgrp())


def handle_sigterm() -> None:
    """Let SIGTERM end the demo as Ctrl-C does."""

    def stop(_number: int, _frame: types.FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
