"""Batch status Condor: pilots counted by JobStatus."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.condor.schedd.plain_jobs import PilotRows, fold_jobs
from factory.model.memory import Memory
from factory.model.source import Reading
from factory.model.status import BatchStatus, Unknown
from factory.observe.sources import plan_sources
from factory.plugin import Readings
from tests.rig.queues import PILOTS, make_queue

_NOW = 1000.0
_COUNTED = ("pending", "running", "done", "held", "suspended")


def ads(*found: tuple[str | None, int]) -> list[dict[str, object]]:
    return [
        {"ClusterId": number, "ProcId": 0, "JobStatus": status, "QDate": number}
        | ({} if queue is None else {"APF_QUEUE": queue})
        for number, (queue, status) in enumerate(found)
    ]


def read(directory: Path, rows: object, error: str | None = None, name: str = "Condor") -> BatchStatus | Unknown:
    queue = make_queue(directory, {**PILOTS, "batchstatusplugin": name}, "A")
    (source,) = queue.batchstatus.sources()
    readings = {source.key: Reading(source.key, _NOW, _NOW, rows, error)}
    return queue.batchstatus.read(Readings(_NOW, readings), Memory())


@pytest.mark.parametrize("name", ["Condor", "CondorLocal"])
def test_each_job_status_has_its_count(tmp_path: Path, name: str) -> None:
    found = ads(*(("A", status) for status in (0, 1, 1, 2, 3, 4, 5, 6, 7)), ("B", 2), (None, 1))
    status = read(tmp_path, PilotRows(fold_jobs(found)), name=name)
    assert isinstance(status, BatchStatus)
    assert {name: getattr(status, name) for name in _COUNTED} == {
        "pending": 3,
        "running": 2,
        "done": 2,
        "held": 1,
        "suspended": 1,
    }
    assert len(status.jobs) == 9


def test_no_jobs_is_zero_and_a_failed_reading_is_unknown(tmp_path: Path) -> None:
    assert read(tmp_path, PilotRows()) == BatchStatus()
    assert isinstance(read(tmp_path, None, "no answer"), Unknown)


@given(st.lists(st.tuples(st.sampled_from(["A", "B", None]), st.integers(0, 7)), max_size=30))
def test_every_job_counts_once(found: list[tuple[str | None, int]]) -> None:
    status = read(_DIRECTORY[0], PilotRows(fold_jobs(ads(*found))))
    assert isinstance(status, BatchStatus)
    assert sum(getattr(status, name) for name in _COUNTED) == sum(1 for queue, _ in found if queue == "A")


def test_all_queues_of_a_factory_share_one_source(tmp_path: Path) -> None:
    one, two = (make_queue(tmp_path, PILOTS, name) for name in ("ONE", "TWO"))
    assert len(plan_sources([one, two]).sources) == 1


_DIRECTORY: list[Path] = []


@pytest.fixture(scope="module", autouse=True)
def _directory(tmp_path_factory: pytest.TempPathFactory) -> None:
    _DIRECTORY.append(tmp_path_factory.mktemp("queues"))
