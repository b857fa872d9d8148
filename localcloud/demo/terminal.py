"""Ctrl-C reaches the demo alone, and ends it in order."""

import os
import signal
import sys
import types


def alone_in_the_foreground() -> None:
    """Take the terminal's foreground, as a shell does for a command.

    Whoever started us, such as the sandbox, would else get Ctrl-C as well and end at once, and we with it.
    """
    try:
        ours = os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return
    if ours and os.getpid() != os.getpgrp():
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        os.setpgid(0, 0)
        os.tcsetpgrp(sys.stdin.fileno(), os.getpgrp())


def terminated_like_interrupted() -> None:
    """SIGTERM ends the demo as Ctrl-C does."""

    def stop(_number: int, _frame: types.FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
