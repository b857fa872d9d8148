"""Old logs are removed; young ones and foreign files stay."""

import shutil
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from factory.config.queues import Config
from factory.state.job_logs import CleanedLogs, clean_logs

TODAY = date(2026, 3, 10)


def config(
    queues: Mapping[str, int | None],
    default: int | None,
    stopped: Mapping[str, int | None] | None = None,
    wrong: str = "",
) -> Config:
    """Return a configuration with these days; ``wrong``: a disabled queue whose section has errors."""

    def make_queues(days_of: Mapping[str, int | None]) -> list[SimpleNamespace]:
        return [SimpleNamespace(name=name, settings=SimpleNamespace(keepdays=days)) for name, days in days_of.items()]

    off = stopped or {}
    made = SimpleNamespace(
        factory=SimpleNamespace(keepdays=default),
        queues=make_queues(queues),
        disabled_queues=make_queues(off),
        disabled=(*off, *([wrong] if wrong else [])),
    )
    return cast(Config, cast(Any, made))


@pytest.mark.parametrize(
    ("queues", "default", "kept"),
    [
        ({"A": 7}, None, {"2026-03-03/A", "2026-03-10/A", "2026-03-02/gone"}),
        ({"A": None}, 7, {"2026-03-03/A", "2026-03-10/A"}),
        ({"A": 0}, 7, {"2026-03-02/A", "2026-03-03/A", "2026-03-10/A"}),
        ({"A": None}, None, {"2026-03-02/A", "2026-03-03/A", "2026-03-10/A", "2026-03-02/gone"}),
        ({"A": 1}, 0, {"2026-03-10/A", "2026-03-02/gone"}),
    ],
)
def test_removes_directories_older_than_their_queue_keeps(
    tmp_path: Path, queues: dict[str, int | None], default: int | None, kept: set[str]
) -> None:
    for name in ("2026-03-02/A", "2026-03-03/A", "2026-03-10/A", "2026-03-02/gone"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "1.0.out").write_text("x")
    (tmp_path / "notes").mkdir()
    (tmp_path / "2026-99-99").mkdir()
    removed = clean_logs(tmp_path, config(queues, default), TODAY)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.glob("20??-??-??/*")}
    assert left == kept
    assert (removed.removed, removed.failed) == (4 - len(kept), ())
    assert (tmp_path / "notes").exists()
    assert (tmp_path / "2026-99-99").exists()


def test_cleans_logs_of_a_queue_with_a_slash_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "2026-01-01" / "a_b").mkdir(parents=True)
    assert clean_logs(tmp_path, config({"a/b": 3}, None), TODAY).removed == 1
    assert not (tmp_path / "2026-01-01").exists()


def test_missing_log_directory_is_no_error(tmp_path: Path) -> None:
    assert clean_logs(tmp_path / "none", config({}, 1), TODAY) == CleanedLogs()


def test_keeps_logs_of_disabled_queues_as_configured(tmp_path: Path) -> None:
    for name in ("FOREVER", "SHORT", "WRONG", "GONE"):
        (tmp_path / "2026-01-01" / name).mkdir(parents=True)
    setup = config({}, 7, {"FOREVER": 0, "SHORT": 1}, wrong="WRONG")
    assert clean_logs(tmp_path, setup, TODAY).removed == 2
    assert {path.name for path in (tmp_path / "2026-01-01").iterdir()} == {"FOREVER", "WRONG"}


def test_shared_directory_is_kept_for_the_longest_time(tmp_path: Path) -> None:
    (tmp_path / "2026-01-01" / "a_b").mkdir(parents=True)
    both: list[tuple[dict[str, int | None], dict[str, int | None]]] = [
        ({"a/b": 3}, {"a_b": 0}),
        ({"a_b": 0}, {"a/b": 3}),
        ({"a/b": 3, "a:b": None}, {}),
    ]
    for queues, off in both:
        assert clean_logs(tmp_path, config(queues, None, off), TODAY).removed == 0
    assert clean_logs(tmp_path, config({"a/b": 3, "a:b": 5}, None), TODAY).removed == 1


def test_one_removal_that_fails_does_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("A", "B", "C"):
        (tmp_path / "2026-01-01" / name).mkdir(parents=True)
    (tmp_path / "2026-01-02").write_text("no directory")
    rmtree = shutil.rmtree

    def not_b(path: Path) -> None:
        if path.name == "B":
            raise PermissionError(13, "Permission denied", str(path))
        rmtree(path)

    monkeypatch.setattr(shutil, "rmtree", not_b)
    cleaned = clean_logs(tmp_path, config({}, 7), TODAY)
    assert cleaned.removed == 2
    assert [str(error) for error in cleaned.failed] == [f"[Errno 13] Permission denied: '{tmp_path}/2026-01-01/B'"]
    assert [path.name for path in (tmp_path / "2026-01-01").iterdir()] == ["B"]
