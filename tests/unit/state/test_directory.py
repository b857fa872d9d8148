"""The factory's own files: private, locked, swept, and never half written."""

import json
import os
from pathlib import Path

import pytest

from factory.state.directory import StateDir, StateDirError, write_private


@pytest.fixture
def statedir(tmp_path: Path) -> StateDir:
    made = StateDir(tmp_path, "f1")
    made.open()
    return made


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_everything_is_private(statedir: StateDir) -> None:
    """Rule 11: user-data has a token."""
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


def test_a_statedir_that_was_open_to_others_is_closed(tmp_path: Path) -> None:
    (tmp_path / "f1" / "userdata").mkdir(mode=0o777, parents=True)
    statedir = StateDir(tmp_path, "f1")
    statedir.open()
    assert mode(statedir.path) == 0o700


def test_a_statedir_that_can_not_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateDirError, match=r"statedir .*/file/f1: Not a directory; make it writable or set"):
        StateDir(tmp_path / "file", "f1").open()


@pytest.mark.parametrize("name", ["factory.lock", "workers.lock"])
def test_a_lock_that_can_not_be_opened_is_one_clear_line(statedir: StateDir, name: str) -> None:
    """No room for a new file, or somebody else's."""
    (statedir.path / name).mkdir()
    with pytest.raises(StateDirError, match=rf"{name}: Is a directory; make room for it, or remove what is there"):
        statedir.lock()


def test_one_factory_of_an_id_holds_the_lock_and_another_id_is_no_matter(tmp_path: Path, statedir: StateDir) -> None:
    """Rule 10."""
    statedir.lock()
    with pytest.raises(StateDirError, match="another factory with this id is running"):
        StateDir(tmp_path, "f1").lock()
    other = StateDir(tmp_path, "f2")
    other.open()
    other.lock()


def test_a_factory_waits_for_the_workers_of_its_predecessor(statedir: StateDir) -> None:
    """Rule 3."""
    import fcntl

    statedir.workers_lock.touch()
    with open(statedir.workers_lock, "rb") as worker:
        fcntl.flock(worker, fcntl.LOCK_SH)
        with pytest.raises(StateDirError, match="processes of an earlier factory still run"):
            statedir.lock(wait_s=0.2)


def test_user_data_that_no_vm_job_needs_is_swept_unless_it_is_younger_than_the_poll(statedir: StateDir) -> None:
    for name, age in (("needed", 100), ("done", 100), (".half-written", 100), ("young", -1)):
        path = statedir.userdata / name
        path.touch()
        os.utime(path, (1000 - age, 1000 - age))
    assert statedir.sweep_userdata(["needed"], written_before=1000) == 2
    assert sorted(path.name for path in statedir.userdata.iterdir()) == ["needed", "young"]


def test_the_journal_grows_by_lines_and_begins_anew_when_it_is_long(statedir: StateDir) -> None:
    for number in range(4):
        statedir.add_to_journal({"number": number}, keep_bytes=30)
    old = statedir.journal.with_suffix(".jsonl.1")
    lines = old.read_text().splitlines() + statedir.journal.read_text().splitlines()
    assert [json.loads(line)["number"] for line in lines] == [0, 1, 2, 3]


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "status.json"
    write_private(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_private(path, b"new")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("status.json", b"old")]


def test_a_factory_started_later_than_its_predecessor_whatever_the_clock_says(statedir: StateDir) -> None:
    """Rule 10: else the VM jobs of its predecessor would pass for those of a newer factory."""
    starts = [statedir.next_start(now) for now in (5000.0, 6000.0, 1000.0, 1000.0, 7000.0)]
    assert starts == [5000.0, 6000.0, 6000.001, 6000.002, 7000.0]
    statedir.started.write_bytes(b"\xff")
    assert statedir.next_start(1.0) == 1.0
    assert mode(statedir.started) == 0o600
