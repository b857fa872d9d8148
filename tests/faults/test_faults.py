"""Every fault: no job lost, no running job evicted by us, no VM leaked, no VM above the cap."""

from __future__ import annotations

import pytest

from tests.faults import audits, caps, cloud, machines, ours  # noqa: F401 - they bring scenarios
from tests.faults.scenario import SCENARIOS, Outcome, Theatre


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("name", [each.name for each in SCENARIOS])
def test_a_fault_costs_nothing(name: str, theatre: Theatre, note: list[Outcome]) -> None:
    outcome = theatre.outcome(name)
    note.append(outcome)
    assert outcome.figures is not None, outcome.failed
    assert outcome.figures.clean, f"{outcome.figures}\n{outcome.failed}"
