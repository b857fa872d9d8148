"""Guard of one instance: run a command, then kill every process that descends from it.

It runs by path (``python -I -S guard.py GRACE_S COMMAND…``) and imports only the standard library, so that it starts
in milliseconds. It is the subreaper of its descendants. It finds them in the process table even if they leave the
process group or session, or if their parent dies.

* stdin: the line ``stop`` sends SIGQUIT (HTCondor's fast shutdown) and kills the rest after GRACE_S. The line ``kill``
  kills at once. End of file also kills at once; it means that the local cloud has died.
* stdout: the line ``pid N`` when the command runs, ``status N`` (exit code, or minus the signal) when it has ended,
  and end of file when no process is left.
"""

import ctypes
import os
import select
import signal
import sys
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _report(what: str, number: int) -> None:
    os.write(1, f"{what} {number}\n".encode())


def _start(command: list[str]) -> int:
    """Start the command in its own session; its stdout and stderr go to our stderr, the console."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)  # background jobs of a shell start with it ignored
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(2, 1)
        os.execvp(command[0], command)  # noqa: S606 - becomes the command it was given
    except OSError as error:
        os.write(2, f"cannot start {command[0]}: {error.strerror}\n".encode())
    os._exit(127)


def _descendants(ancestor: int) -> set[int]:
    """Return the pids of all descendants of ``ancestor``, from one pass over /proc."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as stat:
                parent = int(stat.read().rpartition(b")")[2].split()[1])
        except OSError:
            continue  # ended meanwhile
        children.setdefault(parent, []).append(int(entry))
    found: set[int] = set()
    left = [ancestor]
    while left:
        for child in children.get(left.pop(), ()):
            if child not in found:
                found.add(child)
                left.append(child)
    return found


def _reap() -> dict[int, int]:
    """Reap every child that has ended; return status by pid."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = os.waitstatus_to_exitcode(status)


def _kill_all() -> dict[int, int]:
    """Kill all descendants until none is left, including those that start meanwhile."""
    ended: dict[int, int] = {}
    while True:
        below = _descendants(os.getpid())
        ended |= _reap()
        if not below:
            return ended
        for pid in below:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.01)


def main(grace_s: float, command: list[str]) -> None:
    """Guard ``command`` until it and all its descendants are gone."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    terminated: list[int] = []
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda signum, _: terminated.append(signum))
    pid = _start(command)
    _report("pid", pid)

    status: int | None = None
    kill_at: float | None = None
    while status is None and not terminated:
        wait_s = None if kill_at is None else max(0.0, kill_at - time.monotonic())
        ready, _, _ = select.select([0, woken], [], [], wait_s)
        if woken in ready:
            os.read(woken, 4096)
        status = _reap().get(pid)
        if status is None and 0 in ready:
            order = os.read(0, 64)
            if order.strip() != b"stop":
                break
            os.kill(pid, signal.SIGQUIT)
            kill_at = time.monotonic() + grace_s
        if kill_at is not None and time.monotonic() >= kill_at:
            break
    ended = _kill_all()
    _report("status", ended.get(pid, -signal.SIGKILL) if status is None else status)


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
