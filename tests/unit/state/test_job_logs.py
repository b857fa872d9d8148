"""Old logs go, young ones and foreign files stay."""

import shutil
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from factory.config.queues import Config
from factory.state.job_logs import Cleaned, clean_logs

TODAY = date(2026, 3, 10)


def config(
    queues: Mapping[str, int | None],
    default: int | None,
    stopped: Mapping[str, int | None] | None = None,
    wrong: str = "",
) -> Config:
    """Of these days kept; ``wrong``: a disabled queue of which nothing more is known."""

    def known(days_of: Mapping[str, int | None]) -> list[SimpleNamespace]:
        return [SimpleNamespace(name=name, settings=SimpleNamespace(keepdays=days)) for name, days in days_of.items()]

    off = stopped or {}
    made = SimpleNamespace(
        factory=SimpleNamespace(keepdays=default),
        queues=known(queues),
        disabled_queues=known(off),
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
def test_a_directory_goes_when_it_is_older_than_its_queue_keeps(
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


def test_a_queue_with_a_slash_in_its_name_is_cleaned_too(tmp_path: Path) -> None:
    (tmp_path / "2026-01-01" / "a_b").mkdir(parents=True)
    assert clean_logs(tmp_path, config({"a/b": 3}, None), TODAY).removed == 1
    assert not (tmp_path / "2026-01-01").exists()


def test_no_logs_yet_is_no_fault(tmp_path: Path) -> None:
    assert clean_logs(tmp_path / "none", config({}, 1), TODAY) == Cleaned()


def test_logs_of_a_queue_that_does_not_run_are_kept_as_it_says(tmp_path: Path) -> None:
    for name in ("FOREVER", "SHORT", "WRONG", "GONE"):
        (tmp_path / "2026-01-01" / name).mkdir(parents=True)
    setup = config({}, 7, {"FOREVER": 0, "SHORT": 1}, wrong="WRONG")
    assert clean_logs(tmp_path, setup, TODAY).removed == 2
    assert {path.name for path in (tmp_path / "2026-01-01").iterdir()} == {"FOREVER", "WRONG"}


def test_queues_that_share_a_directory_keep_it_as_long_as_one_of_them_wants(tmp_path: Path) -> None:
    (tmp_path / "2026-01-01" / "a_b").mkdir(parents=True)
    both: list[tuple[dict[str, int | None], dict[str, int | None]]] = [
        ({"a/b": 3}, {"a_b": 0}),
        ({"a_b": 0}, {"a/b": 3}),
        ({"a/b": 3, "a:b": None}, {}),
    ]
    for queues, off in both:
        assert clean_logs(tmp_path, config(queues, None, off), TODAY).removed == 0
    assert clean_logs(tmp_path, config({"a/b": 3, "a:b": 5}, None), TODAY).removed == 1


def test_one_that_can_not_be_removed_leaves_the_others_to_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
