"""Each fault costs nothing: no job lost or evicted by us, no VM leaked or above the cap."""

from __future__ import annotations

import pytest

from tests.faults import audits, caps, cloud, machines, ours, users  # noqa: F401 - they register scenarios
from tests.faults.scenario import SCENARIOS, Outcome, ScenarioRunner


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("name", [each.name for each in SCENARIOS])
def test_a_fault_costs_nothing(name: str, runner: ScenarioRunner, note: list[Outcome]) -> None:
    outcome = runner.outcome(name)
    note.append(outcome)
    assert outcome.figures is not None, outcome.failed
    assert outcome.figures.clean, f"{outcome.figures}\n{outcome.failed}"
