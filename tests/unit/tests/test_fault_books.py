"""The figures of the fault suite are what they should be; a suite that can't fail shows nothing."""

from datetime import datetime
from typing import Any

import pytest

from tests.faults import books
from tests.faults.books import Strike
from tests.faults.joblog import cut_short
from tests.soak.memory import growth

STARTS = ("start 1.0 a i-1", "start 1.1 b i-2", "end 1.0 a i-1")


def machine(vm: str, *history: tuple[str, float]) -> dict[str, Any]:
    return {"id": f"i-{vm}", "tags": {"apf:vm": vm}, "state": history[-1][0], "history": [list(h) for h in history]}


def moment(second: int) -> float:
    """In seconds since the epoch, as a job log of this host would write it."""
    return datetime.fromisoformat(f"2026-01-02 03:04:{second:02}").timestamp()


def strike(machine: str, second: float, *, for_good: bool = False) -> Strike:
    return Strike(machine, moment(0) + second, for_good)


def log(*events: tuple[str, int, str]) -> str:
    """A job log: code, second and machine of each event of job 1.0 (another one behind a blank)."""
    lines = []
    for word, second, machine in events:
        code, _, job = word.partition(" ")
        lines.append(f"{code} (001.00{job or 0}.000) 2026-01-02 03:04:{second:02} What it means")
        lines += [f'\tEC2InstanceID = "{machine}"'] if machine else []
        lines.append("...")
    return "\n".join([*lines, ""])


def test_a_run_that_never_ended_was_cut_short() -> None:
    assert [run.job for run in books.runs(STARTS) if run.ours] == ["1.1"]
    assert books.evicted(books.runs(STARTS)) == 1


def test_a_run_is_the_fault_s_if_the_fault_struck_its_machine_while_it_ran() -> None:
    struck = strike("i-2", 5).line
    assert books.evicted(books.runs([*STARTS, strike("i-1", 5).line])) == 1
    assert books.evicted(books.runs([*STARTS, struck])) == 0
    assert books.evicted(books.runs([*STARTS, struck, "start 1.1 c i-2"])) == 1, "that was after it"
    gone = strike("i-2", 5, for_good=True).line
    assert books.evicted(books.runs([*STARTS, gone, "start 1.1 c i-2"])) == 0, "none could end there"


def test_a_failed_reconnection_and_the_eviction_after_it_are_one() -> None:
    text = log(
        ("001", 1, "i-1"), ("022", 5, ""), ("024", 9, ""), ("004", 10, ""), ("001", 11, "i-1"), ("005", 20, ""),
        ("001 1", 1, "i-2"), ("022 1", 5, ""), ("023 1", 6, ""), ("001 1", 6, "i-2"), ("005 1", 20, ""),
    )  # fmt: skip
    assert [(run.job, run.machine) for run in cut_short(text, ())] == [("1.0", "i-1")]
    assert [run.machine for run in cut_short(log(("024", 1, "")), ())] == [""], "never seen to start"
    assert len(cut_short(log(("004", 1, ""), ("040", 2, ""), ("004", 3, "")), ())) == 2


@pytest.mark.parametrize("code", ["004", "007", "009", "012", "024"])
def test_whatever_ends_a_run_before_its_time_cuts_it_short(code: str) -> None:
    assert [run.machine for run in cut_short(log(("001", 1, "i-1"), (code, 5, "")), ())] == ["i-1"]


def test_a_job_that_starts_elsewhere_was_cut_short_where_it_was() -> None:
    assert [run.machine for run in cut_short(log(("001", 1, "i-1"), ("001", 5, "i-2")), ())] == ["i-1"]


@pytest.mark.parametrize(
    ("when", "ours"),
    [
        (strike("i-1", 4), 0),
        (strike("i-1", 5.9), 0),
        (strike("i-1", 6), 1),
        (strike("i-2", 4), 1),
        (strike("i-1", 0), 1),
    ],
)
def test_what_the_log_says_was_cut_before_the_strike_or_began_after_it_is_ours(when: Strike, ours: int) -> None:
    text = log(("001", 1, "i-1"), ("004", 5, ""))
    assert books.evicted(cut_short(text, [when])) == ours


def test_a_run_is_cut_when_its_machine_falls_silent_not_when_the_schedd_gives_it_up() -> None:
    text = log(("001", 1, "i-1"), ("022", 5, ""), ("024", 50, ""))
    assert books.evicted(cut_short(text, [strike("i-1", 30)])) == 1
    assert books.evicted(cut_short(text, [strike("i-1", 4)])) == 0


def test_an_eviction_that_is_only_logged_does_not_hide_behind_a_run_that_the_fault_ended() -> None:
    own = books.runs([*STARTS, strike("i-2", 5).line])
    text = log(("001", 1, "i-1"), ("004", 5, ""), ("001 1", 1, "i-2"), ("004 1", 5, ""))
    assert books.evicted(own, cut_short(text, [strike("i-2", 5)])) == 1, "that of 1.0, whatever became of 1.1"


def test_an_eviction_that_both_books_tell_is_one_and_two_are_two() -> None:
    own = books.runs(STARTS)
    assert books.evicted(own, cut_short(log(("001 1", 1, "i-2"), ("004 1", 5, "")), ())) == 1
    assert books.evicted(own, cut_short(log(("001 1", 1, "i-3"), ("004 1", 5, "")), ())) == 2
    assert books.evicted(own, own) == 1
    assert books.evicted([], []) == 0


def test_a_job_is_lost_unless_it_completed_well() -> None:
    ads = [{"JobStatus": 4, "ExitCode": 0}, {"JobStatus": 4, "ExitCode": 1}, {"JobStatus": 3}]
    assert books.lost(ads, 4) == 3


def test_what_is_left_of_a_vm_counts_once() -> None:
    machines = [machine("a", ("running", 1)), machine("b", ("terminated", 1)), machine("c", ("pending", 1))]
    assert books.leaked(machines, [{"APFVM": "a"}, {"APFVM": "d"}]) == 3


def test_whatever_is_in_the_cloud_or_in_the_schedd_is_a_leak() -> None:
    untagged = {**machine("a", ("running", 1)), "tags": {}}
    stopped = machine("b", ("stopped", 1))
    assert books.leaked([untagged, stopped, machine("c", ("shutting-down", 1))], [{}]) == 3
    assert books.leaked([machine("a", ("running", 1)), machine("a", ("running", 1))], [{"APFVM": "a"}]) == 2


def test_the_worst_moment_counts() -> None:
    first = machine("a", ("pending", 1), ("running", 2), ("shutting-down", 5), ("terminated", 9))
    second, third = machine("b", ("pending", 4)), machine("c", ("pending", 5))
    assert books.most_alive([first, second, third]) == 2
    assert books.most_alive([first, second, machine("c", ("pending", 4.5))]) == 3
    assert books.most_alive([]) == 0


def test_memory_that_grows_is_seen_and_warming_up_is_not() -> None:
    assert growth([1, 50, 100, 100, 100, 100, 101, 100, 99]) == pytest.approx(0)
    assert growth([100 + n for n in range(90)]) > 0.15
