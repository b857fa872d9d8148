"""Marks of workers: what made a worker pass its deadline is left alone for an hour."""

import time
from pathlib import Path

import pytest

from factory.process import work_mark
from factory.process.work_mark import WorkMark

ONE, TWO = b"1" * 16, b"2" * 16


def killed(path: Path, sign: bytes, busy_s: float, monkeypatch: pytest.MonkeyPatch) -> WorkMark:
    """Return the mark of the worker that follows one which was killed after it was busy for this long."""
    now = [1000.0]
    monkeypatch.setattr(work_mark, "steady", lambda: now[0])
    doing = WorkMark(path).busy_with(sign)
    doing.__enter__()
    now[0] += busy_s
    return WorkMark(path)


@pytest.mark.parametrize(("busy_s", "alone"), [(60, True), (6, True), (4, False)])
def test_leaves_alone_what_a_killed_worker_was_busy_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, busy_s: float, alone: bool
) -> None:
    path = tmp_path / "mark"
    following = killed(path, ONE, busy_s, monkeypatch)
    assert (following.alone_until(ONE) is not None) is alone
    assert following.alone_until(TWO) is None
    assert (WorkMark(path).alone_until(ONE) is not None) is alone, "later workers know it too"


def test_leaves_alone_nothing_that_a_worker_had_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mark"
    first = WorkMark(path)
    with first.busy_with(ONE), first.busy_with(TWO):
        pass
    monkeypatch.setattr(work_mark, "steady", lambda: time.monotonic() + 1000)
    assert [WorkMark(path).alone_until(sign) for sign in (ONE, TWO)] == [None, None]


def test_tries_again_after_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mark"
    until = killed(path, ONE, 60, monkeypatch).alone_until(ONE)
    assert until is not None
    monkeypatch.setattr(time, "time", lambda: until + 1)
    assert WorkMark(path).alone_until(ONE) is None


def test_leaves_alone_what_took_long(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.9, 10.0, 12.1])
    monkeypatch.setattr(time, "process_time", lambda: next(clock))
    mark = WorkMark()
    for sign in (ONE, TWO):
        with mark.busy_with(sign):
            pass
    assert mark.alone_until(ONE) is None
    assert mark.alone_until(TWO) is not None


@pytest.mark.parametrize("content", ["", "[]", "{", '{"zz": 1}', '{"00": "x"}'])
def test_reads_no_nonsense(tmp_path: Path, content: str) -> None:
    (tmp_path / "mark.json").write_text(content)
    assert WorkMark(tmp_path / "mark").alone_until(ONE) is None
