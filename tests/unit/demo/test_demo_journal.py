"""The demo's reading of the factory's journal."""

import json
from pathlib import Path
from typing import Any

import pytest

from localcloud.demo.journal import JournalDecision, JournalTail

SUBMIT: dict[str, Any] = {
    "queue": "Q",
    "outcome": "submit",
    "n": 4,
    "blocked": None,
    "decided": 1.0,
    "states": {"booting": 2, "busy": 0},
    "wms": {"ready": 6},
    "batch": {"pending": 2},
    "steps": [
        {"plugin": "Ready", "n_in": 0, "n_out": 6, "reason": "6 ready, 0 pending"},
        {"plugin": "MaxPerCycle", "n_in": 6, "n_out": 4, "reason": "at most 4 per cycle"},
        {"plugin": "RetireIdle", "n_in": 4, "n_out": 4, "reason": "no VM retires while the chain adds 4"},
    ],
    "actions": [{"kind": "submit", "what": "4 × x", "reason": "4 of 4 asked for", "error": None}],
    "notes": [],
}
NONE = SUBMIT | {"outcome": "none", "n": 0, "actions": []}
BLOCKED = SUBMIT | {
    "outcome": "blocked",
    "n": None,
    "blocked": {"cause": "schedd", "text": "the schedd did not answer"},
    "states": {},
    "wms": None,
    "batch": {"unknown": "x"},
    "actions": [],
}


def action(kind: str, why: str, error: str | None = None) -> dict[str, Any]:
    return {"kind": kind, "what": "VM x", "reason": why, "error": error}


def test_lines_name_the_steps_that_changed_the_number() -> None:
    assert JournalDecision.from_json(SUBMIT).lines == [
        "submit 4: Ready → 6 (6 ready, 0 pending); MaxPerCycle → 4 (at most 4 per cycle)"
    ]


def test_lines_name_the_first_step_if_none_changed_the_number() -> None:
    steps = [{"plugin": "Ready", "n_in": 0, "n_out": 0, "reason": "2 ready, 2 pending"}]
    assert JournalDecision.from_json(NONE | {"steps": steps}).lines == ["no change: Ready → 0 (2 ready, 2 pending)"]


def test_lines_of_a_blocked_decision_give_the_cause() -> None:
    decision = JournalDecision.from_json(BLOCKED)
    assert decision.lines == ["blocked: the schedd did not answer"]
    assert decision.blocked
    assert decision.vms is None


def test_lines_group_actions_by_kind_and_list_each_failure() -> None:
    actions = [action("retire", "idle"), action("retire", "idle"), action("remove", "empty", "no schedd")]
    decision = JournalDecision.from_json(SUBMIT | {"actions": actions, "notes": ["2 of 4 this round"]})
    assert decision.lines[1:] == [
        "action: retire 2 VMs: idle",
        "action FAILED: remove VM x: no schedd",
        "note: 2 of 4 this round",
    ]
    assert decision.failed == ("no schedd",)


def test_vms_omit_states_without_vms() -> None:
    decision = JournalDecision.from_json(SUBMIT)
    assert decision.vms == {"booting": 2}
    assert not decision.blocked


@pytest.mark.parametrize(
    ("entry", "waited"),
    [
        (NONE, True),
        (NONE | {"batch": {"pending": 0}}, False),
        (NONE | {"wms": {"ready": 0}}, False),
        (SUBMIT, False),
        (BLOCKED, False),
    ],
)
def test_decision_waited_if_jobs_wait_and_vms_are_starting(entry: dict[str, Any], waited: bool) -> None:
    assert JournalDecision.from_json(entry).waited is waited


def test_tail_returns_each_complete_line_once(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    tail = JournalTail(path)
    assert tail.read_new() == []
    second = json.dumps(NONE | {"queue": "P", "states": {"idle": 1}}) + "\n"
    path.write_text(json.dumps(SUBMIT) + "\n" + second[:20])
    assert [each.queue for each in tail.read_new()] == ["Q"]
    with open(path, "a", encoding="utf-8") as stream:
        stream.write(second[20:])
    assert [each.queue for each in tail.read_new()] == ["P"]
    assert tail.read_new() == []
    assert [each.queue for each in tail.decisions] == ["Q", "P"]
    assert [tail.vms(queue) for queue in ("P", "Q", "R")] == [{"idle": 1}, {"booting": 2}, {}]
