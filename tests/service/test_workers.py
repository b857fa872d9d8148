"""Worker processes: deadlines, deaths, and the lock that the next factory waits for."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from factory.process.workers import CallFailed, CallTimedOut, Workers, call_result
from tests.rig.wait import until

_PARENT = """\
import os, sys, time
from pathlib import Path
from factory.process.workers import Workers
if __name__ == "__main__":
    workers = Workers(Path(sys.argv[1]))
    print(workers.call("a", 60, os.getpid), flush=True)
    workers.submit("a", 60, time.sleep, 60)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    made = Workers()
    yield made
    made.stop()


def test_call_past_its_deadline_is_killed_and_the_next_one_works(workers: Workers) -> None:
    with pytest.raises(CallTimedOut, match="no answer within 0 s"):
        workers.call("slow", 0.2, time.sleep, 3600)
    assert workers.call("slow", 30, os.getpid) != os.getpid()


@pytest.mark.parametrize("by", [-86400, 86400])
def test_deadline_does_not_move_when_the_clock_is_set(
    workers: Workers, monkeypatch: pytest.MonkeyPatch, by: int
) -> None:
    wall = time.time
    for address in ("slow", "hung"):
        assert workers.call(address, 30, os.getpid)
    slow, hung = workers.submit("slow", 30, time.sleep, 3), workers.submit("hung", 3, time.sleep, 3600)
    until(lambda: slow.running() and hung.running(), "both calls run", every_s=0.01)
    monkeypatch.setattr(time, "time", lambda: wall() + by)
    assert slow.result(60) is None
    with pytest.raises(CallTimedOut):
        call_result(hung, 3)


def test_hung_daemon_does_not_delay_another(workers: Workers) -> None:
    hung = workers.submit("hung", 60, time.sleep, 60)
    assert workers.call("slow", 30, os.getpid)
    assert not hung.done()
    hung.cancel()


def test_worker_that_dies_in_a_call_fails_only_that_call(workers: Workers) -> None:
    with pytest.raises(CallFailed, match="died"):
        workers.call("slow", 30, os._exit, 3)
    assert workers.call("slow", 30, os.getpid)


def test_worker_that_dies_while_idle_is_replaced(workers: Workers) -> None:
    pid = workers.call("rest", 30, os.getpid)
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            other = workers.call("rest", 30, os.getpid)
        except CallFailed:
            continue  # the call went to the dead worker
        if other != pid:
            return
    raise AssertionError("the worker was not replaced")


def test_worker_is_replaced_after_its_number_of_calls() -> None:
    workers = Workers(calls=3)
    try:
        pids = [workers.call("old", 30, os.getpid) for _ in range(9)]
    finally:
        workers.stop()
    assert [len(set(pids[i : i + 3])) for i in (0, 3, 6)] == [1, 1, 1]
    assert len(set(pids)) == 3


def test_worker_outlives_the_thread_that_first_called_it(workers: Workers) -> None:
    pids: list[int] = []
    thread = threading.Thread(target=lambda: pids.append(workers.call("thread", 30, os.getpid)))
    thread.start()
    thread.join()
    time.sleep(0.3)  # there is no event for "the process stays alive"
    assert workers.call("thread", 30, os.getpid) == pids[0]


def test_workers_die_with_the_factory_and_hold_its_lock_until_then(tmp_path: Path) -> None:
    """Rule 3: the next factory waits for the lock."""
    lock = tmp_path / "workers.lock"
    lock.touch()
    script = tmp_path / "parent.py"
    script.write_text(_PARENT)
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, str(script), str(lock)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
    ) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        with open(lock, "rb") as ours:
            with pytest.raises(BlockingIOError):
                fcntl.flock(ours, fcntl.LOCK_EX | fcntl.LOCK_NB)
            parent.kill()
            deadline = time.monotonic() + 120
            while True:
                try:
                    fcntl.flock(ours, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
