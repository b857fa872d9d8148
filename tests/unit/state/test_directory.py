"""Files of the statedir: private, locked, swept, and never half written."""

import json
import os
from pathlib import Path

import pytest

from factory.state.directory import StateDir, StateDirError, write_private


@pytest.fixture
def statedir(tmp_path: Path) -> StateDir:
    statedir = StateDir(tmp_path, "f1")
    statedir.open()
    return statedir


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_every_file_is_private(statedir: StateDir) -> None:
    """Rule 11: user-data contains a token."""
    os.umask(0)
    statedir.lock()
    statedir.write_status({"a": 1})
    statedir.add_to_journal({"a": 1})
    write_private(statedir.userdata / "vm1", b"token")
    for path in (statedir.path, statedir.userdata):
        assert mode(path) == 0o700
    files = [path for path in statedir.path.rglob("*") if path.is_file()]
    assert len(files) == 5
    assert {mode(path) for path in files} == {0o600}


def test_closes_a_statedir_that_others_could_read(tmp_path: Path) -> None:
    (tmp_path / "f1" / "userdata").mkdir(mode=0o777, parents=True)
    statedir = StateDir(tmp_path, "f1")
    statedir.open()
    assert mode(statedir.path) == 0o700


def test_says_why_a_statedir_cannot_be_created(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateDirError, match=r"statedir .*/file/f1: Not a directory; make it writable or set"):
        StateDir(tmp_path / "file", "f1").open()


@pytest.mark.parametrize("name", ["factory.lock", "workers.lock"])
def test_says_why_a_lock_cannot_be_opened(statedir: StateDir, name: str) -> None:
    """The disk is full, or something else has the name."""
    (statedir.path / name).mkdir()
    with pytest.raises(
        StateDirError, match=rf"{name} can't be opened: Is a directory; free disk space, or remove what"
    ):
        statedir.lock()


def test_only_factories_of_the_same_id_exclude_each_other(tmp_path: Path, statedir: StateDir) -> None:
    """Rule 10."""
    statedir.lock()
    with pytest.raises(StateDirError, match="another factory with this id is running"):
        StateDir(tmp_path, "f1").lock()
    other = StateDir(tmp_path, "f2")
    other.open()
    other.lock()


def test_waits_for_the_workers_of_its_predecessor(statedir: StateDir) -> None:
    """Rule 3."""
    import fcntl

    statedir.workers_lock.touch()
    with open(statedir.workers_lock, "rb") as worker:
        fcntl.flock(worker, fcntl.LOCK_SH)
        with pytest.raises(
            StateDirError, match="workers of an earlier factory still run after 0 s; find them with 'fuser"
        ):
            statedir.lock(wait_s=0.2)


def test_sweeps_unneeded_user_data_older_than_the_poll(statedir: StateDir) -> None:
    for name, age in (("needed", 100), ("done", 100), (".half-written", 100), ("young", -1)):
        path = statedir.userdata / name
        path.touch()
        os.utime(path, (1000 - age, 1000 - age))
    assert statedir.sweep_userdata(["needed"], written_before=1000) == 2
    assert sorted(path.name for path in statedir.userdata.iterdir()) == ["needed", "young"]


def test_starts_a_new_journal_when_the_old_one_is_long(statedir: StateDir) -> None:
    for number in range(4):
        statedir.add_to_journal({"number": number}, keep_bytes=30)
    old = statedir.journal.with_suffix(".jsonl.1")
    lines = old.read_text().splitlines() + statedir.journal.read_text().splitlines()
    assert [json.loads(line)["number"] for line in lines] == [0, 1, 2, 3]


def test_writes_a_file_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "status.json"
    write_private(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_private(path, b"new")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("status.json", b"old")]


def test_starts_later_than_its_predecessor_after_clock_step(statedir: StateDir) -> None:
    """Rule 10: otherwise VM jobs of its predecessor look like those of a newer factory."""
    starts = [statedir.next_start(now) for now in (5000.0, 6000.0, 1000.0, 1000.0, 7000.0)]
    assert starts == [5000.0, 6000.0, 6000.001, 6000.002, 7000.0]
    statedir.started.write_bytes(b"\xff")
    assert statedir.next_start(1.0) == 1.0
    assert mode(statedir.started) == 0o600
