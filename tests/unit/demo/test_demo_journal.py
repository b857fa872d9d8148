"""The demo's reading of the journal, and the lines that it makes of it."""

import json
from pathlib import Path
from typing import Any

from localcloud.demo.journal import Journal, acts, outcome, reason, vm_states

SUBMIT: dict[str, Any] = {
    "outcome": "submit",
    "n": 4,
    "blocked": None,
    "decided": 1.0,
    "states": {"booting": 2, "busy": 0},
    "steps": [
        {"plugin": "Ready", "n_in": 0, "n_out": 6, "reason": "6 ready, 0 pending"},
        {"plugin": "MaxPerCycle", "n_in": 6, "n_out": 4, "reason": "at most 4 a cycle"},
        {"plugin": "RetireIdle", "n_in": 4, "n_out": 4, "reason": "4 more are wanted"},
    ],
    "actions": [{"kind": "submit", "what": "4 × x", "reason": "4 of 4 asked for", "error": None}],
    "notes": [],
}


def action(kind: str, why: str, error: str | None = None) -> dict[str, Any]:
    return {"kind": kind, "what": "VM x", "reason": why, "error": error}


def test_a_decision_is_told_by_the_steps_that_changed_it() -> None:
    assert outcome(SUBMIT) == "submit 4"
    assert reason(SUBMIT) == "Ready 6 (6 ready, 0 pending); MaxPerCycle 4 (at most 4 a cycle)"


def test_where_no_step_changed_anything_the_first_is_told() -> None:
    steps = [{"plugin": "Ready", "n_in": 0, "n_out": 0, "reason": "2 ready, 2 pending"}]
    entry = SUBMIT | {"outcome": "none", "n": 0, "steps": steps}
    assert (outcome(entry), reason(entry)) == ("none", "Ready 0 (2 ready, 2 pending)")


def test_a_hold_is_told_by_its_reason() -> None:
    entry = SUBMIT | {
        "outcome": "blocked",
        "n": None,
        "blocked": {"cause": "unknown", "text": "the schedd did not answer"},
    }
    assert (outcome(entry), reason(entry)) == ("blocked", "the schedd did not answer")


def test_actions_of_a_kind_are_one_line_and_failures_are_told_each() -> None:
    actions = [action("retire", "idle"), action("retire", "idle"), action("remove", "empty", "no schedd")]
    entry = SUBMIT | {"actions": [*SUBMIT["actions"], *actions], "notes": ["2 of 4 this round"]}
    assert acts(entry) == ["retire 2 VMs: idle", "remove VM x FAILED: no schedd", "2 of 4 this round"]


def test_states_that_nobody_is_in_are_left_out() -> None:
    assert vm_states(SUBMIT) == {"booting": 2}


def test_a_journal_gives_each_whole_line_once(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    assert journal.new() == []
    path.write_text(json.dumps({"n": 1}) + "\n" + '{"n": ')
    assert journal.new() == [{"n": 1}]
    with open(path, "a", encoding="utf-8") as stream:
        stream.write("2}\n")
    assert journal.new() == [{"n": 2}]
    assert journal.new() == []
    assert journal.entries == [{"n": 1}, {"n": 2}]
