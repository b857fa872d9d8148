"""The figures of the fault suite are what they should be; a suite that can't fail shows nothing."""

from typing import Any

import pytest

from tests.faults import books
from tests.soak.memory import growth

STARTS = ("start 1.0 a i-1", "start 1.1 b i-2", "end 1.0 a i-1")


def machine(vm: str, *history: tuple[str, float]) -> dict[str, Any]:
    return {"id": f"i-{vm}", "tags": {"apf:vm": vm}, "state": history[-1][0], "history": [list(h) for h in history]}


def test_a_run_that_never_ended_was_cut_short() -> None:
    assert [run.job for run in books.runs(STARTS) if not run.ended] == ["1.1"]


@pytest.mark.parametrize(
    ("logged", "struck", "evicted"),
    [(0, set(), 1), (1, set(), 1), (2, set(), 2), (1, {"i-2"}, 0), (2, {"i-2"}, 1), (0, {"i-1"}, 1)],
)
def test_a_run_cut_short_is_ours_unless_the_fault_ended_it(logged: int, struck: set[str], evicted: int) -> None:
    assert books.evicted(books.runs(STARTS), logged, struck) == evicted


def test_a_failed_reconnection_and_the_eviction_after_it_are_one() -> None:
    log = "024 (001.001.000) …\n...\n004 (001.001.000) …\n...\n004 (001.002.000) …\n\t004 (001.003.000)\n"
    assert books.evictions_logged(log) == 2
    assert books.evictions_logged("024 (001.001.000) …\n") == 1


def test_a_job_is_lost_unless_it_completed_well() -> None:
    ads = [{"JobStatus": 4, "ExitCode": 0}, {"JobStatus": 4, "ExitCode": 1}, {"JobStatus": 3}]
    assert books.lost(ads, 4) == 3


def test_what_is_left_of_a_vm_counts_once() -> None:
    machines = [machine("a", ("running", 1)), machine("b", ("terminated", 1)), machine("c", ("pending", 1))]
    assert books.leaked(machines, [{"APFVM": "a"}, {"APFVM": "d"}]) == 3


def test_the_worst_moment_counts() -> None:
    first = machine("a", ("pending", 1), ("running", 2), ("shutting-down", 5), ("terminated", 9))
    second, third = machine("b", ("pending", 4)), machine("c", ("pending", 5))
    assert books.most_alive([first, second, third]) == 2
    assert books.most_alive([first, second, machine("c", ("pending", 4.5))]) == 3
    assert books.most_alive([]) == 0


def test_memory_that_grows_is_seen_and_warming_up_is_not() -> None:
    assert growth([1, 50, 100, 100, 100, 100, 101, 100, 99]) == pytest.approx(0)
    assert growth([100 + n for n in range(90)]) > 0.15
