"""Old logs go, young ones and foreign files stay."""

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from factory.cleanlogs import clean_logs
from factory.config.settings import Config

TODAY = date(2026, 3, 10)


def config(queues: dict[str, int | None], default: int | None) -> Config:
    known = [SimpleNamespace(name=name, settings=SimpleNamespace(keepdays=days)) for name, days in queues.items()]
    return cast(Config, SimpleNamespace(factory=SimpleNamespace(keepdays=default), queues=cast(Any, known)))


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
    assert removed == 4 - len(kept)
    assert (tmp_path / "notes").exists()
    assert (tmp_path / "2026-99-99").exists()


def test_a_queue_with_a_slash_in_its_name_is_cleaned_too(tmp_path: Path) -> None:
    (tmp_path / "2026-01-01" / "a_b").mkdir(parents=True)
    assert clean_logs(tmp_path, config({"a/b": 3}, None), TODAY) == 1
    assert not (tmp_path / "2026-01-01").exists()


def test_no_logs_yet_is_no_fault(tmp_path: Path) -> None:
    assert clean_logs(tmp_path / "none", config({}, 1), TODAY) == 0
